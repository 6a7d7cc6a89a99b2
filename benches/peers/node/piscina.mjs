// Piscina: a pool of two worker threads; a message is a task that a worker runs, and its end is told to who sent it.
import { Piscina } from 'piscina'
import { BODY, asked, main, now, rate } from './measure.mjs'

const pool = new Piscina({ filename: new URL('./piscina_worker.mjs', import.meta.url).href, minThreads: 2, maxThreads: 2 })

/** So many at once: piscina's own queue holds what no worker has taken. */
async function inFlight(count, most) {
  const begun = now()
  for (let left = count; left > 0; left -= most) {
    await Promise.all(Array.from({ length: Math.min(left, most) }, () => pool.run(BODY)))
  }
  return rate(count, begun)
}

async function askSequential(count) {
  for (let number = 0; number < count / 10; number += 1) await pool.run(BODY)
  const each = new Float64Array(count)
  const begun = now()
  for (let number = 0; number < count; number += 1) {
    const before = now()
    await pool.run(BODY)
    each[number] = now() - before
  }
  return asked(each, begun)
}

await pool.run(BODY)
await main({
  W3: (count) => inFlight(count, count),
  W8a: askSequential,
  W8b: (count) => inFlight(count, 1_000),
})
