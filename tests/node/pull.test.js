// Pull: actors whose async function takes messages when it likes.
'use strict'

const { Mailbox, SystemMessage } = require('../..')
const { closeAll, deferred, eventually, open, turn } = require('./helpers.js')
const { run } = require('./processes.js')

afterEach(closeAll)

/** A pull actor that hands its mailbox out and lives until it is stopped. */
async function holder(rt) {
  const given = deferred()
  const over = deferred()
  const pid = rt.spawnWithMailbox((mailbox) => {
    given.resolve(mailbox)
    return over.promise
  })
  return { pid, mailbox: await given.promise, finish: over.resolve, fail: over.reject }
}

test('pull_receives', async () => {
  const rt = open()
  const got = []
  const pid = rt.spawnWithMailbox(async (mailbox) => {
    expect(mailbox).toBeInstanceOf(Mailbox)
    expect(mailbox.pid).toBe(pid)
    for (let index = 0; index < 1000; index++) got.push(String(await mailbox.recv()))
  })
  for (let index = 0; index < 1000; index++) rt.send(pid, `${index}`)
  expect(await rt.join(pid, 5)).toBe(true)
  expect(got).toEqual(Array.from({ length: 1000 }, (_, index) => `${index}`))
})

test('nothing of the function runs before spawnWithMailbox returns', async () => {
  const rt = open()
  let ran = false
  const pid = rt.spawnWithMailbox(async () => void (ran = true))
  expect(ran).toBe(false)
  await rt.join(pid)
  expect(ran).toBe(true)
})

test('recv gives null when its time is over', async () => {
  const rt = open()
  const { pid, mailbox, finish } = await holder(rt)
  expect(await mailbox.recv(0)).toBe(null)
  expect(await mailbox.recv(0.02)).toBe(null)
  rt.send(pid, 'a')
  expect(String(await mailbox.recv(0))).toBe('a')
  const late = mailbox.recv(5)
  rt.send(pid, 'b')
  expect(String(await late)).toBe('b')
  await expect(mailbox.recv(-1)).rejects.toMatchObject({ code: 'InvalidArgument' })
  await expect(mailbox.recv('x')).rejects.toMatchObject({ code: 'InvalidArgument' })
  finish()
})

test('recv is given up by its signal and loses nothing', async () => {
  const rt = open()
  const { pid, mailbox, finish } = await holder(rt)
  const abort = new AbortController()
  const recv = mailbox.recv(undefined, { signal: abort.signal })
  abort.abort(new Error('enough'))
  await expect(recv).rejects.toThrow('enough')
  rt.send(pid, 'a')
  expect(String(await mailbox.recv())).toBe('a')
  finish()
})

test('several receivers are served in the order they came', async () => {
  const rt = open()
  const { pid, mailbox, finish } = await holder(rt)
  const received = Promise.all([mailbox.recv(), mailbox.recv(), mailbox.recv()])
  rt.sendMany(pid, ['a', 'b', 'c'])
  expect((await received).map(String)).toEqual(['a', 'b', 'c'])
  finish()
})

test('pull_selects', async () => {
  const rt = open()
  const { pid, mailbox, finish } = await holder(rt)
  rt.sendMany(pid, ['a', 'b1', 'c', 'b2'])
  const startsWithB = (message) => String(message).startsWith('b')
  expect(String(await mailbox.selectiveRecv(startsWithB))).toBe('b1')
  expect(String(await mailbox.selectiveRecv(startsWithB, 1))).toBe('b2')
  expect(await mailbox.selectiveRecv(startsWithB, 0.01)).toBe(null)
  const later = mailbox.selectiveRecv(startsWithB)
  rt.sendMany(pid, ['d', 'b3'])
  expect(String(await later)).toBe('b3')
  const failing = mailbox.selectiveRecv(() => {
    throw new Error('matcher')
  })
  await expect(failing).rejects.toThrow('matcher')
  expect((await mailbox.recvMany(10)).map(String)).toEqual(['a', 'c', 'd'])
  finish()
})

test('recvMany takes what is there up to its bound', async () => {
  const rt = open()
  const { pid, mailbox, finish } = await holder(rt)
  rt.sendMany(pid, ['a', 'b', 'c'])
  expect((await mailbox.recvMany(2)).map(String)).toEqual(['a', 'b'])
  expect((await mailbox.recvMany(2)).map(String)).toEqual(['c'])
  expect(await mailbox.recvMany(2, 0.01)).toEqual([])
  finish()
})

test('pull_stop_ends_recv', async () => {
  const rt = open()
  const got = []
  const ends = deferred()
  const pid = rt.spawnWithMailbox(async (mailbox) => {
    for await (const message of mailbox) got.push(String(message))
    expect(mailbox.stopped).toBe(true)
    expect(await mailbox.recv()).toBe(null)
    ends.resolve()
  })
  rt.send(pid, 'a')
  await eventually(() => got.length === 1, 'the message')
  rt.stop(pid)
  expect(rt.isAlive(pid)).toBe(false)
  await ends.promise
  expect(await rt.join(pid, 5)).toBe(true)
})

test('a function that throws ends its actor with Crash, one that returns with Normal', async () => {
  const rt = open()
  const watcher = rt.spawnObservedHandler()
  const failing = await holder(rt)
  const sync = rt.spawnWithMailbox(() => {
    throw new SyntaxError('at once')
  })
  const ending = await holder(rt)
  for (const pid of [failing.pid, ending.pid]) rt.monitor(pid, watcher)
  failing.fail(new TypeError('later'))
  ending.finish()
  await Promise.all([failing.pid, ending.pid, sync].map((pid) => rt.join(pid)))
  const downs = rt.getMessages(watcher).map(({ system }) => [system.targetPid, system.reason])
  expect(new Map(downs)).toEqual(
    new Map([
      [failing.pid, 'Crash'],
      [ending.pid, 'Normal'],
    ]),
  )
})

test('a pull actor answers by reply', async () => {
  const rt = open()
  const { pid, mailbox, finish } = await holder(rt)
  const ask = rt.ask(pid, 'q')
  const message = await mailbox.recv()
  expect(mailbox.reply(message, 'answer')).toBe(true)
  expect(mailbox.reply(message, 'again')).toBe(false)
  expect(String(await ask)).toBe('answer')
  rt.send(pid, 'plain')
  expect(mailbox.reply(await mailbox.recv(), 'nobody asked')).toBe(false)
  const unanswered = rt.ask(pid, 'q', { timeout: null })
  await mailbox.recv()
  finish()
  await expect(unanswered).rejects.toMatchObject({ code: 'AskFailed' })
})

test('notices come as SystemMessage before messages', async () => {
  const rt = open()
  const { pid, mailbox, finish } = await holder(rt)
  const other = rt.spawn(() => {})
  rt.send(pid, 'message')
  const monitor = rt.monitor(other, pid)
  rt.stop(other)
  const notice = await mailbox.recv()
  expect(notice).toBeInstanceOf(SystemMessage)
  expect(notice).toMatchObject({ typeName: 'DOWN', targetPid: other, reason: 'Killed', metadata: { monitor } })
  expect(String(await mailbox.recv())).toBe('message')
  finish()
})

test('two pull actors that play ping-pong leave the event loop its turn', async () => {
  const rt = open()
  let hops = 0
  const player = async (mailbox) => {
    for await (const message of mailbox) {
      hops++
      rt.send(message.readDoubleLE(0), own(mailbox.pid))
    }
  }
  const own = (pid) => {
    const message = Buffer.alloc(8)
    message.writeDoubleLE(pid)
    return message
  }
  const [one, two] = [rt.spawnWithMailbox(player), rt.spawnWithMailbox(player)]
  rt.send(one, own(two))
  for (let index = 0; index < 50; index++) await turn()
  expect(hops).toBeGreaterThan(50)
})

test('ten thousand pull actors live at once', async () => {
  const rt = open()
  let got = 0
  const pids = Array.from({ length: 10_000 }, () =>
    rt.spawnWithMailbox(async (mailbox) => {
      for await (const message of mailbox) got += message.length
    }),
  )
  await turn()
  for (const pid of pids) rt.send(pid, 'x')
  await eventually(() => got === pids.length, 'all messages')
  for (const pid of pids) rt.stop(pid)
  await Promise.all(pids.map((pid) => rt.join(pid)))
  expect(rt.stats().actors).toBe(0)
})

test('a restart ends the waits of the run before', async () => {
  const rt = open()
  const boxes = []
  const over = [deferred(), deferred()]
  const make = () => (mailbox) => over[boxes.push(mailbox) - 1].promise
  const pid = rt.startChild(rt.spawnSupervisor({ backoff: [0, 0] }), make, { kind: 'pull' })
  await eventually(() => boxes.length === 1, 'the first run')
  const [first] = boxes
  const [left, selects] = [first.recv(), first.selectiveRecv(() => true)]
  over[0].reject(new Error('crash'))
  expect(await Promise.all([left, selects])).toEqual([null, null])
  await eventually(() => boxes.length === 2, 'the second run')
  rt.send(pid, 'for the second run')
  expect([first.stopped, await first.recv(), await first.recvMany(9), boxes[1].stopped]).toEqual([true, null, [], false])
  expect(String(await boxes[1].recv())).toBe('for the second run')
  over[1].resolve()
})

test('a mailbox whose supervisor takes its time to decide has nothing, and keeps nobody waiting', async () => {
  const script = `
    rt.unref()
    let [runs, box] = [0, undefined]
    const fail = async (mailbox) => { runs++; box = mailbox; throw new Error('crash') }
    rt.startChild(rt.spawnSupervisor({ backoff: [600, 600] }), () => fail, { kind: 'pull' })
    const look = async () => {
      console.log(await box.recv(0), await box.selectiveRecv(() => true, 0), await box.recv(), box.stopped, runs)
      rt.close()
    }
    const wait = () => setImmediate(runs < 2 ? wait : look)
    wait()
  `
  const { out, code } = await run(script, { runtime: 'new NodeRuntime({ logger: null })', hangMs: 10_000 })
  expect({ out, code }).toEqual({ out: 'null null null true 2\n', code: 0 })
})
