// Scale: very many of one thing at once, and code that changes under load while memory is collected.
'use strict'

const { run } = require('./processes.js')

/** How many of each; `make deep` asks for a million. */
const MANY = Number(process.env.IRIS_MANY ?? 100_000)

const SCRIPTS = {
  'timers that are due at once': `
    let fired = 0
    const pid = rt.spawn(() => void fired++)
    // All due at one moment that is after the last one is set, which may take 10 microseconds each.
    const due = performance.now() + Math.max(1000, many / 100)
    for (let index = 0; index < many; index++) rt.sendAfter(pid, Math.max(0, due - performance.now()), 'x')
    const pending = rt.stats().timers
    while (fired < many) await turn()
    const early = performance.now() < due - 1
    console.log(pending === many && fired === many && !early && rt.stats().timers === 0)`,
  'names': `
    const pid = rt.spawn(() => {})
    for (let index = 0; index < many; index++) rt.register('name ' + index, pid)
    const found = rt.whereis('name ' + (many - 1)) === pid
    rt.stop(pid)
    console.log(found && rt.whereis('name 0') === null && rt.stats().names === 0)`,
  'swaps under load while memory is collected': `
    const got = []
    const pid = rt.spawn((message) => void got.push(message.readUInt32LE()))
    let sent = 0
    for (let swap = 0; swap < many / 100; swap++) {
      for (let index = 0; index < 5; index++) {
        const message = Buffer.alloc(4)
        message.writeUInt32LE(sent++)
        rt.send(pid, message)
      }
      rt.hotSwap(pid, swap % 3 === 0 ? async (message) => void got.push(message.readUInt32LE()) : (message) => void got.push(message.readUInt32LE()))
      if (swap % 50 === 0) gc()
      if (swap % 7 === 0) await turn()
    }
    while (got.length < sent) await turn()
    console.log(got.every((number, index) => number === index))`,
}

test.each(Object.keys(SCRIPTS))('very many %s', async (name) => {
  const script = `
    const turn = () => new Promise(setImmediate)
    const main = async (many) => {
      ${SCRIPTS[name]}
      await rt.close()
    }
    main(${MANY})
  `
  const { out, err, code, signal } = await run(script, { args: ['--expose-gc'], hangMs: 300_000 })
  expect({ out, err, code, signal }).toEqual({ out: 'true\n', err: '', code: 0, signal: null })
}, 300_000)
