// Hostile: handlers and arguments that do what nobody should; each hurts its own actor alone, never the process.
'use strict'

const { run } = require('./processes.js')
const { closeAll, collector, eventually, open } = require('./helpers.js')

afterEach(closeAll)

test('a handler that transfers the memory of its message takes no other message away', async () => {
  const rt = open()
  const kept = []
  const taker = rt.spawn((message) => void structuredClone(message, { transfer: [message.buffer] }))
  const keeper = rt.spawn((message) => void kept.push(message))
  const { pid, got } = collector(rt)
  rt.send(keeper, 'kept')
  rt.send(taker, 'one')
  for (let index = 0; index < 3; index++) rt.send(pid, `${index}`)
  await eventually(() => got.length === 3, 'the messages behind')
  rt.send(taker, 'two')
  rt.send(pid, 'last')
  await eventually(() => got.length === 4, 'the last message')
  expect(got).toEqual(['0', '1', '2', 'last'])
  expect(kept.map(String)).toEqual(['kept'])
})

// ArrayBuffer.prototype.transfer takes even what Node marks as untransferable; Node 20 has it behind a flag.
const TRANSFER = { args: ['--harmony-rab-gsab-transfer'] }

test('memory that JavaScript took away is written no more, and what was in it is handed over anew', async () => {
  const script = `
    const got = []
    const taken = []
    const taker = rt.spawn((message) => void taken.push(message.buffer.transfer()))
    const pid = rt.spawn((message) => void got.push(String(message)))
    const asked = rt.spawn((message) => message)
    const pull = rt.spawnWithMailbox(async (mailbox) => {
      const first = await mailbox.recv()
      taken.push(first.buffer.transfer())
      for await (const message of mailbox) got.push(String(message))
    })
    const turn = () => new Promise((resolve) => setImmediate(resolve))
    ;(async () => {
      rt.send(pull, 'first')
      await turn()
      for (let round = 0; round < 3; round++) {
        rt.send(taker, 'take')
        rt.send(pid, 'a' + round)
        rt.send(pid, 'b'.repeat(3000))
        rt.send(pull, 'c' + round)
        got.push(String(await rt.ask(asked, 'd' + round)))
        await turn()
      }
      while (got.length < 12) await turn()
      const before = taken.map((buffer) => Buffer.from(buffer).toString('latin1'))
      for (let index = 0; index < 1000; index++) rt.send(pid, 'late' + index)
      while (got.length < 1012) await turn()
      const after = taken.map((buffer) => Buffer.from(buffer).toString('latin1'))
      const short = got.slice(0, 12).map((text) => text.slice(0, 2)).sort()
      console.log(short.join(' '), taken.length, before.join() === after.join())
      await rt.close()
    })()
  `
  const { out, err, code } = await run(script, TRANSFER)
  const expected = 'a0 a1 a2 bb bb bb c0 c1 c2 d0 d1 d2 4 true\n'
  expect({ out, err, code }).toEqual({ out: expected, err: '', code: 0 })
})

test('a buffer whose memory was transferred cannot be sent any more', async () => {
  const script = `
    const { id, buffer } = allocateBuffer(1000)
    const other = new Uint8Array(buffer.buffer.transfer())
    const pid = rt.spawn(() => {})
    try { rt.sendBuffer(pid, id) } catch (error) { console.log(error.code) }
    other.fill(1)
    rt.close()
  `
  const { out, err, code } = await run(script, TRANSFER)
  expect({ out, err, code }).toEqual({ out: 'NoSuchBuffer\n', err: '', code: 0 })
})

test('a result whose then throws ends its actor alone', async () => {
  const rt = open()
  const { pid, got } = collector(rt)
  const evil = rt.spawn(() => ({
    get then() {
      throw new Error('no then')
    },
  }))
  const answer = rt.ask(evil, 'x')
  for (let index = 0; index < 3; index++) rt.send(pid, `${index}`)
  await expect(answer).rejects.toMatchObject({ code: 'AskFailed', message: expect.stringContaining('no then') })
  await eventually(() => got.length === 3, 'the other messages')
  expect(rt.isAlive(evil)).toBe(false)
  const stats = rt.stats()
  expect([stats.sent, stats.handled, stats.crashed]).toEqual([4, 4, 1])
})

test('what only looks like an AbortSignal is refused, and nothing is asked', async () => {
  const rt = open()
  const pid = rt.spawn(() => 'answer')
  const signal = { aborted: false }
  for (const call of [() => rt.ask(pid, 'x', { signal }), () => rt.join(pid, 1, { signal })]) {
    await expect(call()).rejects.toMatchObject({ code: 'InvalidArgument' })
  }
  expect(rt.stats().sent).toBe(0)
  expect(String(await rt.ask(pid, 'x'))).toBe('answer')
})

test('fake timers of a test stop no actor', async () => {
  const script = `
    const real = setTimeout
    const pid = rt.spawn((message) => console.log(String(message)))
    for (const name of ['queueMicrotask', 'setImmediate', 'setTimeout']) globalThis[name] = () => {}
    performance.now = () => 0
    ArrayBuffer.isView = () => true
    for (let index = 0; index < 3; index++) rt.send(pid, 'message ' + index)
    const look = () => (rt.stats().handled < 3 ? real(look, 1) : process.exit())
    look()
  `
  const { out, code } = await run(script)
  expect({ out, code }).toEqual({ out: 'message 0\nmessage 1\nmessage 2\n', code: 0 })
})

test('a handler whose spawn was refused is not kept', async () => {
  const script = `
    const references = []
    for (let index = 0; index < 10; index++) {
      const handler = () => index
      references.push(new WeakRef(handler))
      try { rt.spawn(handler, 0) } catch {}
    }
    setImmediate(() => {
      gc()
      console.log(references.filter((reference) => reference.deref() !== undefined).length)
    })
  `
  const { out } = await run(script, { args: ['--expose-gc'] })
  expect(Number(out)).toBeLessThanOrEqual(1)
})

test('a matcher over a long mailbox holds no second copy of it', async () => {
  const script = `
    const pid = rt.spawnWithMailbox(async (mailbox) => {
      await new Promise((resolve) => setImmediate(resolve))
      gc()
      const used = () => { const { heapUsed, external } = process.memoryUsage(); return heapUsed + external }
      const before = used()
      let [most, count] = [0, 0]
      await mailbox.selectiveRecv((message) => {
        if (++count % 10_000 === 0) { gc(); most = Math.max(most, used() - before) }
        return message.length === 1
      })
      console.log(most)
    })
    const data = Buffer.alloc(1000)
    for (let index = 0; index < 30_000; index++) rt.send(pid, data)
    rt.send(pid, 'x')
  `
  const { out } = await run(script, { args: ['--expose-gc'] })
  expect(Number(out)).toBeGreaterThan(0)
  expect(Number(out)).toBeLessThan(15e6)
})

test('an ask that fails again and again leaves the event loop its turn', async () => {
  const rt = open()
  const pid = rt.spawn(() => {})
  rt.stop(pid)
  let over = false
  setImmediate(() => (over = true))
  let asks = 0
  while (!over && asks < 1_000_000) {
    asks++
    await rt.ask(pid, 'x').catch(() => {})
  }
  expect(over).toBe(true)
})

test('nothing else alive, a join of an ended actor still resolves', async () => {
  const script = `
    const pid = rt.spawn(() => {})
    rt.stop(pid)
    rt.join(pid).then(() => rt.join(pid, 0)).then((joined) => console.log(joined))
  `
  const { out, err, code } = await run(script)
  expect({ out, err, code }).toEqual({ out: 'true\n', err: '', code: 0 })
})

test('events that nobody needs to know of hold none up that come behind them', async () => {
  const rt = open()
  const suspended = () => new Promise(() => {})
  const pids = Array.from({ length: 2000 }, () => rt.spawn(suspended))
  for (const pid of pids) rt.send(pid, 'x')
  await eventually(() => rt.actorInfo(pids.at(-1)).state === 'suspended', 'the handlers to wait')
  const joined = rt.join(pids.at(-1), 10)
  for (const pid of pids) rt.stop(pid)
  expect(await joined).toBe(true)
})

test('a maker may spawn with a handler whose last actor has just ended', async () => {
  const rt = open()
  const got = []
  const handler = (message) => void got.push(String(message))
  const ending = rt.spawn(handler)
  let other = 0
  const supervisor = rt.spawnSupervisor()
  let made = 0
  const child = rt.startChild(supervisor, () => {
    if (++made === 2) other = rt.spawn(handler)
    return () => {
      throw new Error('restart me')
    }
  })
  rt.send(child, 'x')
  await eventually(() => rt.failures.length === 1, 'the failure')
  // The supervisor decides on a thread of its own; the restart is for this one, which does not turn meanwhile.
  for (const until = performance.now() + 5000; rt.stats().restarted === 0 && performance.now() < until; );
  for (let look = 0; look < 1000; look++) rt.stats()
  rt.stop(ending)
  await eventually(() => other !== 0, 'the restart')
  const late = rt.spawn(() => void got.push('a stranger'))
  rt.send(other, 'message')
  rt.send(late, 'x')
  await eventually(() => got.length === 2, 'both messages')
  expect(got).toEqual(['message', 'a stranger'])
})

