// Memory: what is over costs nothing: the memory of the process stays where it was, round after round.
'use strict'

const { run } = require('./processes.js')

/** How much of the full amount a round does; `make deep` does all of it. */
const SCALE = Number(process.env.IRIS_MEMORY_SCALE ?? 0.001)
/** What a round may leave behind: of the full amount 10 bytes a swap or a restart, 1 KiB a runtime. */
const SLOPE_MAX_BYTES = 1 << 20

/**
 * How often a round of the full amount does what, and how it is done `count` times; and how many rounds are looked at where
 * twelve tell too little: what the allocator holds for threads that come and go swings by 30 MB about its mean.
 */
const ROUNDS = {
  'messages': [
    1e7,
    `let handled = 0
     const pid = rt.spawn(() => void handled++)
     const data = Buffer.alloc(100)
     const round = async (count) => {
       const until = handled + count
       for (let left = count; left > 0; left -= 1000) {
         for (let index = 0; index < 1000; index++) rt.send(pid, data)
         await turn()
       }
       while (handled < until) await turn()
     }`,
  ],
  'spawns and stops': [
    1e6,
    `const round = async (count) => {
       for (let index = 0; index < count; index++) {
         rt.stop(rt.spawn(() => void index))
         if (index % 1000 === 0) await turn()
       }
     }`,
  ],
  'pull actors': [
    1e5,
    `const round = async (count) => {
       for (let index = 0; index < count; index++) {
         rt.send(rt.spawnWithMailbox(async (mailbox) => void (await mailbox.recv())), 'x')
         if (index % 100 === 0) await turn()
       }
       while (rt.stats().actors > 0) await turn()
     }`,
  ],
  'swaps': [
    1e5,
    `const pid = rt.spawn(() => {})
     const round = async (count) => {
       for (let index = 0; index < count; index++) {
         rt.hotSwap(pid, () => void index)
         rt.send(pid, 'x')
         if (index % 100 === 0) await turn()
       }
     }`,
  ],
  'crashes and restarts': [
    1e5,
    `const supervisor = rt.spawnSupervisor({ intensity: 1e9, period: 1, backoff: [0, 0] })
     const pid = rt.startChild(supervisor, () => () => { throw new Error('on purpose') })
     const round = async (count) => {
       const until = rt.stats().restarted + count
       for (let left = count; left > 0; left -= 50) {
         for (let index = 0; index < 50; index++) rt.send(pid, 'x')
         const restarted = until - left + 50
         while (rt.stats().restarted < restarted) await turn()
       }
     }`,
  ],
  'timers set and cancelled': [
    1e5,
    `const pid = rt.spawn(() => {})
     const round = async (count) => {
       for (let index = 0; index < count; index++) rt.cancelTimer(rt.sendAfter(pid, 1000 + index, 'late'))
       await turn()
     }`,
  ],
  'waits that are given up': [
    4e5,
    `const pid = rt.spawn(() => turn())
     const observed = rt.spawnObservedHandler()
     const round = async (count) => {
       for (let left = count; left > 0; left -= 300) {
         const abort = new AbortController()
         require('node:events').setMaxListeners(0, abort.signal)
         const waits = []
         for (let index = 0; index < 100; index++) {
           waits.push(rt.join(pid, null, abort), rt.ask(pid, 'q', { signal: abort.signal }), rt.selectiveRecv(observed, () => true, null, abort))
         }
         await turn()
         abort.abort()
         await Promise.allSettled(waits)
       }
       while (rt.mailboxSize(pid) > 0) await turn()
     }`,
  ],
  'runtimes': [
    1e3,
    `const round = async (count) => {
       for (let index = 0; index < count; index++) {
         const other = new NodeRuntime()
         other.sendAfter(other.spawn(() => {}), 1000, 'x')
         other.spawnWithMailbox((mailbox) => mailbox.recv())
         await other.close()
       }
     }`,
    40,
  ],
}

const WARM = 4
/** V8 takes 4 MB more at some time, and once: that is half of the slope that fails. */
const ROUNDS_LOOKED_AT = 12

test.each(Object.keys(ROUNDS))('%s leave no memory behind', async (name) => {
  const [total, script, measured = ROUNDS_LOOKED_AT] = ROUNDS[name]
  const count = Math.ceil(total * SCALE)
  const { out, err, code } = await run(
    `
    const turn = () => new Promise(setImmediate)
    ${script}
    const main = async () => {
      const seen = []
      for (let number = 0; number < ${WARM + measured}; number++) {
        await round(${count})
        for (let index = 0; index < 3; index++) { gc(); await turn() }
        if (number >= ${WARM}) seen.push(process.memoryUsage.rss())
      }
      const mean = (seen.length - 1) / 2
      const slope = seen.reduce((sum, bytes, at) => sum + (at - mean) * bytes, 0) / seen.reduce((sum, _, at) => sum + (at - mean) ** 2, 0)
      console.log(Math.round(slope))
      await rt.close()
    }
    main()
    `,
    { args: ['--expose-gc'], runtime: 'new NodeRuntime({ logger: null })', hangMs: 1_200_000 },
  )
  expect({ err, code }).toEqual({ err: '', code: 0 })
  expect(Number(out)).toBeLessThan(SLOPE_MAX_BYTES)
}, 1_200_000)
