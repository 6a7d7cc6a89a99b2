// Misuse: what users should not do in handlers, matchers, makers and factories hurts their own actor at most.
'use strict'

const { MessageChannel } = require('node:worker_threads')

const { IrisError, allocateBuffer } = require('../..')
const { closeAll, deferred, eventually, open, turn } = require('./helpers.js')
const { run } = require('./processes.js')

afterEach(closeAll)

/** How an actor with this handler ends when it gets one message: its reason and the type of what failed. */
async function endOf(rt, handler) {
  const watcher = rt.spawnObservedHandler()
  const pid = rt.spawn(handler)
  rt.monitor(pid, watcher)
  rt.send(pid, 'x')
  expect(await rt.join(pid, 5)).toBe(true)
  const [{ system }] = rt.getMessages(watcher)
  return [system.reason, system.metadata?.type]
}

const lazily = (call) => (resolve, reject) => void setImmediate(() => call(resolve, reject))

test.each([
  ['has a getter that throws', { get then() { throw new RangeError('getter') } }, ['Crash', 'RangeError']],
  ['throws', { then() { throw new RangeError('then') } }, ['Crash', 'RangeError']],
  ['rejects twice', { then: lazily((_, reject) => (reject(new RangeError('1')), reject(new Error('2')))) }, ['Crash', 'RangeError']],
  ['rejects at once', { then: (_, reject) => reject(new RangeError('1')) }, ['Crash', 'RangeError']],
  ['rejects with nothing', { then: lazily((_, reject) => reject()) }, ['Crash', 'undefined']],
  ['is a proxy that throws', new Proxy({}, { get() { throw new RangeError('proxy') } }), ['Crash', 'RangeError']],
])('a thenable that %s ends its actor', async (_what, thenable, end) => {
  expect(await endOf(open(), () => thenable)).toEqual(end)
})

test.each([
  ['settles at once', { then: (resolve) => resolve('answer') }, 'answer'],
  ['settles twice', { then: lazily((resolve) => (resolve('answer'), resolve('again'))) }, 'answer'],
  ['settles and rejects', { then: lazily((resolve, reject) => (resolve('answer'), reject(new Error('late')))) }, 'answer'],
  ['settles and throws', { then(resolve) { resolve('answer'); throw new Error('late') } }, 'answer'],
  ['has a then that is none', { then: 'answer' }, undefined],
  ['settles with a promise', { then: (resolve) => resolve(Promise.resolve('x')) }, undefined],
])('a thenable that %s answers once, and its actor lives on', async (_what, thenable, answer) => {
  const rt = open()
  const pid = rt.spawn((message) => (String(message) === 'odd' ? thenable : message))
  const asked = rt.ask(pid, 'odd')
  if (answer === undefined) await expect(asked).rejects.toMatchObject({ code: 'AskFailed' })
  else expect(String(await asked)).toBe(answer)
  const other = rt.spawn(() => new Promise(() => {}))
  rt.sendMany(other, ['a', 'b'])
  for (let index = 0; index < 5; index++) await turn()
  // What was settled again settled nobody else's message.
  expect(rt.mailboxSize(other)).toBe(1)
  expect(String(await rt.ask(pid, 'plain'))).toBe('plain')
})

test('a handler that recurses for ever ends its actor', async () => {
  const rt = open()
  const recurse = () => recurse() + 1
  expect(await endOf(rt, recurse)).toEqual(['Crash', 'RangeError'])
  expect(await endOf(rt, async () => recurse())).toEqual(['Crash', 'RangeError'])
})

test('a handler that wants more memory than there is ends alone', async () => {
  const rt = open()
  const bystander = rt.spawn((message) => message)
  const wants = [() => new ArrayBuffer(2 ** 46), () => Buffer.alloc(2 ** 40), () => 'x'.repeat(2 ** 30), () => new Array(2 ** 32)]
  const pids = wants.map((want) => rt.spawn(want))
  for (const pid of pids) rt.send(pid, 'x')
  for (const pid of pids) expect(await rt.join(pid, 10)).toBe(true)
  expect(rt.failures.map(({ error }) => error.name)).toEqual(new Array(4).fill('RangeError'))
  expect(String(await rt.ask(bystander, 'x'))).toBe('x')
})

const GIB = 2 ** 30

test.each([
  ['lets it go at once', () => void touched(), ''],
  ['lets it go after a turn', async () => { const bytes = touched(); await turn(); return `${bytes.length}` }, `${GIB}`],
  ['throws', () => { touched(); throw new RangeError('on purpose') }, 'AskFailed'],
])('a handler that takes a GiB and %s hurts nobody else', async (_what, handler, outcome) => {
  const rt = open()
  const bystander = rt.spawn((message) => message)
  for (let round = 0; round < 3; round++) {
    const pid = rt.spawn(handler)
    const taken = rt.ask(pid, 'x').then(String, (error) => error.code)
    expect(String(await rt.ask(bystander, 'x'))).toBe('x')
    expect(await taken).toBe(outcome)
    expect(rt.isAlive(pid)).toBe(outcome !== 'AskFailed')
  }
  expect(rt.failures.map(({ error }) => error.message)).toEqual(outcome === 'AskFailed' ? new Array(3).fill('on purpose') : [])
})

/** A GiB of which each page of 2 MiB is used. */
function touched() {
  const bytes = Buffer.alloc(GIB)
  for (let at = 0; at < GIB; at += 2 ** 21) bytes[at] = 1
  return bytes
}

test('an answer longer than a message may be fails its ask, and as the result of a plain message it is let go', async () => {
  const rt = open()
  const pid = rt.spawn((message) => (String(message) === 'long' ? new ArrayBuffer(GIB) : message))
  expect(rt.send(pid, 'long')).toBe(true)
  await expect(rt.ask(pid, 'long')).rejects.toMatchObject({ code: 'AskFailed', message: expect.stringContaining('at most 536870911 bytes') })
  expect(String(await rt.ask(pid, 'alive'))).toBe('alive')
  expect(rt.failures).toEqual([])
})

test('handlers that stop, swap, supervise and link themselves', async () => {
  const rt = open()
  expect(await endOf(rt, () => rt.stop(rt.currentPid()))).toEqual(['Killed', undefined])
  const got = []
  const swapping = rt.spawn(() => {
    got.push('old')
    rt.hotSwap(swapping, (message) => void got.push(`new ${message}`))
    rt.monitor(swapping)
    expect(() => rt.link(swapping, swapping)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
  })
  rt.sendMany(swapping, ['a', 'b'])
  await eventually(() => got.length === 2 || rt.failures.length > 0, 'both messages')
  expect([got, rt.failures]).toEqual([['old', 'new b'], []])
  const replacing = () => {
    const pid = rt.spawn(() => {
      rt.superviseWithFactory(pid, replacing)
      throw new Error('on purpose')
    })
    return pid
  }
  const first = replacing()
  rt.send(first, 'x')
  await eventually(() => rt.childPids().some((pid) => pid !== first && rt.isAlive(pid)), 'the replacement')
})

test('stop of a supervised child, of the last child, twice, and in the midst of its start', async () => {
  const rt = open()
  const supervisor = rt.spawnSupervisor({ backoff: [0, 0] })
  const child = rt.startChild(supervisor, () => () => {})
  const parent = rt.spawn(() => {})
  const last = rt.spawnChild(parent, () => {})
  for (const pid of [child, last]) {
    expect([rt.stop(pid), rt.stop(pid)]).toEqual([true, false])
    expect(await rt.join(pid, 5)).toBe(true)
  }
  await eventually(() => rt.childrenCount(supervisor) === 0, 'the supervisor to know')
  expect(rt.isAlive(parent)).toBe(true)
  let calls = 0
  const begun = rt.spawnWithMailbox(async (mailbox) => {
    calls++
    expect(await mailbox.recv()).toBe(null)
  })
  rt.stop(begun)
  expect(await rt.join(begun, 5)).toBe(true)
  const making = rt.startChild(supervisor, () => {
    if (++calls > 2) rt.stop(making)
    return () => { throw new Error('on purpose') }
  })
  rt.send(making, 'x')
  expect(await rt.join(making, 5)).toBe(true)
})

test.each([
  ['throws', () => { throw new Error('on purpose') }],
  ['rejects', async () => { throw new Error('on purpose') }],
  ['gives no pid', () => 'pid'],
  ['gives no number of an actor', () => NaN],
  ['gives the pid of an actor that ended', (rt, { dead }) => dead],
  ['gives the same pid again', (rt, { first }) => first],
  ['gives the pid of another child', (rt, { sibling }) => sibling],
  ['gives the pid of another runtime', (rt, { foreign }) => foreign],
  ['gives the pid of its supervisor', (rt) => rt.rootSupervisor()],
])('a factory that %s is called again, and nobody else is hurt', async (_what, make) => {
  const [rt, other] = [open(), open()]
  const pids = { first: rt.spawn(() => {}), sibling: rt.spawn(() => {}), dead: rt.spawn(() => {}), foreign: other.spawn(() => {}) }
  rt.stop(pids.dead)
  rt.watch(pids.sibling)
  const made = deferred()
  let calls = 0
  rt.superviseWithFactory(pids.first, () => {
    if (++calls === 1) return make(rt, pids)
    made.resolve(rt.spawn(() => {}))
    return made.promise
  })
  rt.stop(pids.first)
  const replacement = await made.promise
  await eventually(() => rt.childPids().includes(replacement), 'the replacement')
  expect([rt.isAlive(pids.sibling), other.isAlive(pids.foreign)]).toEqual([true, true])
  expect(rt.childPids()).toHaveLength(2)
})

test.each([
  ['the runtime', (rt, pid, factory) => rt.superviseWithFactory(pid, factory), (rt) => rt.childPids()],
  ['a path', (rt, pid, factory) => rt.pathSuperviseWithFactory('/team', pid, factory), (rt) => rt.pathSupervisorChildren('/team')],
])('factories of %s whose promises never settle hold up no other child', async (_what, supervise, childPids) => {
  const rt = open()
  rt.createPathSupervisor('/team')
  let begun = 0
  for (let index = 0; index < 50; index++) {
    const pid = rt.spawn(() => {})
    supervise(rt, pid, () => (begun++, new Promise(() => {})))
    rt.stop(pid)
  }
  await eventually(() => begun === 50, 'all factories to begin')
  const made = []
  const heals = async () => {
    await turn()
    made.push(rt.spawn((message) => message))
    return made.at(-1)
  }
  let pid = rt.spawn(() => {})
  supervise(rt, pid, heals)
  for (let count = 1; count <= 3; count++) {
    rt.stop(pid)
    await eventually(() => made.length === count && childPids(rt).includes(made.at(-1)), 'the one that heals')
    pid = made.at(-1)
    expect(String(await rt.ask(pid, 'alive'))).toBe('alive')
  }
  expect(begun).toBe(50)
})

test('a matcher that answers by a promise is refused, and its rejection ends nothing', async () => {
  const rt = open()
  const observed = rt.spawnObservedHandler()
  rt.send(observed, 'x')
  const odd = async () => { throw new Error('of the matcher') }
  await expect(rt.selectiveRecv(observed, odd, 1)).rejects.toMatchObject({ code: 'InvalidArgument' })
  const seen = deferred()
  rt.send(rt.spawnWithMailbox((mailbox) => mailbox.selectiveRecv(odd).catch(seen.resolve)), 'x')
  expect(await seen.promise).toMatchObject({ code: 'InvalidArgument' })
  expect(() => rt.startChild(rt.spawnSupervisor(), odd)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
  expect(rt.getMessages(observed)).toHaveLength(1)
})

test('a matcher may use the very actor whose messages it chooses from', async () => {
  const script = `
    const main = async () => {
      const observed = rt.spawnObservedHandler()
      rt.sendMany(observed, ['a', 'b'])
      const odd = (message) => {
        rt.send(observed, 'c')
        rt.mailboxSize(observed)
        rt.actorInfo(observed)
        rt.stats()
        try { rt.getMessages(observed) } catch (error) { console.log(error.code) }
        rt.selectiveRecv(observed, () => true, 0).catch((error) => console.log(error.code))
        rt.link(observed, rt.spawn(() => {}))
        return String(message) === 'b'
      }
      console.log(String(await rt.selectiveRecv(observed, odd, 1)))
      await rt.selectiveRecv(observed, () => { rt.stop(observed); return false }, 0.1).catch((error) => console.log(error.code))
      const pull = rt.spawnWithMailbox(async (mailbox) => {
        const message = await mailbox.selectiveRecv((message) => {
          rt.send(pull, 'd')
          mailbox.recv(0).catch(() => {})
          mailbox.selectiveRecv(() => true, 0).catch(() => {})
          if (rt.isAlive(pull)) rt.hotSwap(pull, async () => {})
          rt.stop(pull)
          return String(message) === 'b'
        }, 1)
        console.log(message === null || String(message))
      })
      rt.sendMany(pull, ['a', 'b'])
      await rt.join(pull)
      await rt.close()
    }
    main()
  `
  const { out, err, code, signal } = await run(script)
  expect({ err, code, signal }).toEqual({ err: '', code: 0, signal: null })
  expect(out).toContain('b\n')
})

test('a supervisor is no child of its own', () => {
  const rt = open()
  const refused = expect.objectContaining({ code: 'InvalidArgument' })
  expect(() => rt.watch(rt.rootSupervisor())).toThrow(refused)
  expect(() => rt.superviseWithFactory(rt.rootSupervisor(), () => rt.spawn(() => {}))).toThrow(refused)
})

/** The error of an ask, and how many milliseconds it took. */
async function failureOf(asked) {
  const began = performance.now()
  const error = await asked.then(() => undefined, (reason) => reason)
  return { error, ms: performance.now() - began }
}

test('asks to oneself and in a circle end by their time', async () => {
  const rt = open()
  const self = rt.spawn(() => rt.ask(self, 'again', { timeout: 0.05 }))
  const own = await failureOf(rt.ask(self, 'x', { timeout: 10 }))
  const circle = []
  for (let index = 0; index < 3; index++) {
    circle.push(rt.spawn((message) => rt.ask(circle[(index + 1) % 3], message, { timeout: 0.05 })))
  }
  const first = await failureOf(rt.ask(circle[0], 'x', { timeout: 10 }))
  for (const [pid, { error, ms }] of [[self, own], [circle[0], first]]) {
    expect(error).toBeInstanceOf(IrisError)
    expect(error.code).toBe('AskFailed')
    expect(error.message).toMatch(new RegExp(`^actor ${pid} failed while it answered: IrisError: actor \\d+ .*did not answer within 50ms$`))
    expect(ms).toBeGreaterThan(45)
    expect(ms).toBeLessThan(2000)
  }
  expect(own.error.message).toContain(`IrisError: actor ${self} did not answer`)
  expect(await Promise.all([self, ...circle].map((pid) => rt.join(pid, 5)))).toEqual([true, true, true, true])
})

test('an ask in a circle that has less time than those within it ends by its own', async () => {
  const rt = open()
  const circle = []
  for (let index = 0; index < 3; index++) circle.push(rt.spawn((message) => rt.ask(circle[(index + 1) % 3], message, { timeout: 60 })))
  const { error, ms } = await failureOf(rt.ask(circle[0], 'x', { timeout: 0.05 }))
  expect(error).toMatchObject({ name: 'IrisError', code: 'AskTimeout', message: `actor ${circle[0]} did not answer within 50ms` })
  expect(ms).toBeGreaterThan(45)
  expect(ms).toBeLessThan(2000)
  expect(circle.map((pid) => rt.isAlive(pid))).toEqual([true, true, true])
})

test('an ask to oneself that has no time at all ends its handler by AskTimeout', async () => {
  const rt = open()
  const self = rt.spawn((message) => rt.ask(self, message, { timeout: 0 }))
  const { error } = await failureOf(rt.ask(self, 'x'))
  expect(error).toMatchObject({
    code: 'AskFailed',
    message: `actor ${self} failed while it answered: IrisError: actor ${self} did not answer within 0ns`,
  })
  expect(rt.failures.map((failure) => failure.error.code)).toEqual(['AskTimeout'])
})

test('a mailbox that is used after its actor ended, and from elsewhere', async () => {
  const rt = open()
  let mailbox
  const pid = rt.spawnWithMailbox(async (given) => { mailbox = given })
  expect(await rt.join(pid, 5)).toBe(true)
  expect(await mailbox.recv()).toBe(null)
  expect(await mailbox.selectiveRecv(() => true)).toBe(null)
  expect(await mailbox.recvMany(3)).toEqual([])
  expect(mailbox.reply(Buffer.alloc(1), 'x')).toBe(false)
  const over = deferred()
  const pull = rt.spawnWithMailbox((given) => ((mailbox = given), over.promise))
  await turn()
  // A push handler reads the mailbox of another actor: odd, and harmless.
  const push = rt.spawn(async () => mailbox.recv())
  const asked = rt.ask(push, 'x')
  rt.send(pull, 'for whom')
  expect(String(await asked)).toBe('for whom')
  over.resolve()
})

test('a full mailbox under block refuses its own actor and those that redirect in a circle', async () => {
  const rt = open()
  const seen = []
  const pid = rt.spawnBounded(() => void seen.push(rt.send(pid, 'a'), rt.send(pid, 'b')), 1, 1)
  rt.setOverflowPolicy(pid, 'block')
  rt.send(pid, 'x')
  await eventually(() => seen.length >= 4, 'two messages')
  expect(seen.slice(0, 4)).toEqual([true, false, true, false])
  rt.stop(pid)
  const circle = [0, 1, 2].map(() => rt.spawnBounded(() => new Promise(() => {}), 1, 1))
  circle.forEach((each, index) => rt.setOverflowPolicy(each, 'redirect', circle[(index + 1) % 3]))
  for (const each of circle) rt.send(each, 'in hand')
  await eventually(() => circle.every((each) => rt.mailboxSize(each) === 0), 'all in hand')
  expect(Array.from({ length: 4 }, () => rt.send(circle[0], 'x'))).toEqual([true, true, true, false])
})

test('messages of others survive a handler that gives its message away', async () => {
  const rt = open()
  const got = []
  const { port1, port2 } = new MessageChannel()
  const odd = [
    (message) => void structuredClone(message.buffer, { transfer: [message.buffer] }),
    (message) => port1.postMessage(message, [message.buffer]),
  ]
  for (let round = 0; round < 20; round++) {
    const plain = rt.spawn((message) => void got.push(String(message)))
    const giving = rt.spawn(odd[round % 2])
    const pull = rt.spawnWithMailbox(async (mailbox) => {
      for (let count = 0; count < 3; count++) {
        const message = await mailbox.recv()
        got.push(String(message))
        try { odd[round % 2](message) } catch { /* Node refuses to transfer it, or copies it */ }
      }
    })
    for (let index = 0; index < 3; index++) {
      rt.send(giving, 'given away')
      rt.send(plain, `plain ${index}`)
      rt.send(pull, `pull ${index}`)
    }
  }
  await eventually(() => got.length === 120, 'all messages')
  for (let index = 0; index < 3; index++) {
    expect(got.filter((word) => word === `plain ${index}`)).toHaveLength(20)
    expect(got.filter((word) => word === `pull ${index}`)).toHaveLength(20)
  }
  port1.close()
  port2.close()
})

test('memory that JavaScript takes away by force is written to no more, and no message is lost', async () => {
  const script = `
    const got = []
    const main = async () => {
      for (let round = 0; round < 50; round++) {
        const plain = rt.spawn((message) => void got.push(String(message)))
        const taking = rt.spawn((message) => { message.buffer.transfer(0) })
        for (let index = 0; index < 3; index++) {
          for (const pid of [plain, taking, plain]) rt.send(pid, 'm' + index)
        }
        const pull = rt.spawnWithMailbox(async (mailbox) => {
          for (let count = 0; count < 3; count++) {
            const message = await mailbox.recv()
            got.push(String(message))
            message.buffer.transfer(0)
          }
        })
        rt.sendMany(pull, ['m0', 'm1', 'm2'])
        await rt.join(pull)
      }
      while (got.length < 450) await new Promise(setImmediate)
      console.log(got.every((word) => /^m[012]$/.test(word)), got.length)
      const { id, buffer } = allocateBuffer(1000)
      buffer.buffer.transfer()
      try { rt.sendBuffer(rt.spawn(() => {}), id) } catch (error) { console.log(error.code) }
      await rt.close()
    }
    main()
  `
  const { out, err, code } = await run(script, { args: ['--harmony-rab-gsab-transfer'] })
  expect({ out, err, code }).toEqual({ out: 'true 450\nNoSuchBuffer\n', err: '', code: 0 })
})

test('views of odd memory: shared, resized, detached, out of bounds', async () => {
  const rt = open()
  const got = []
  const pid = rt.spawn((message) => void got.push(message.length))
  const resizable = new ArrayBuffer(8, { maxByteLength: 64 })
  const tracking = new Uint8Array(resizable)
  const beyond = new Uint8Array(resizable, 4, 4)
  const detached = new Uint8Array(5)
  structuredClone(detached.buffer, { transfer: [detached.buffer] })
  rt.send(pid, new Uint8Array(new SharedArrayBuffer(3)))
  rt.send(pid, tracking)
  resizable.resize(20)
  rt.send(pid, tracking)
  resizable.resize(2)
  for (const odd of [tracking, beyond, detached, detached.buffer, resizable]) rt.send(pid, odd)
  expect(() => rt.send(pid, new SharedArrayBuffer(3))).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
  await eventually(() => got.length === 8, 'all messages')
  expect(got).toEqual([3, 8, 20, 2, 0, 0, 0, 2])
})

test('the view of a buffer that was handed over is empty, whatever is done with it', async () => {
  const rt = open()
  const got = []
  const pid = rt.spawn((message) => void got.push(message))
  const { id, buffer } = allocateBuffer(400_000)
  const words = new Uint32Array(buffer.buffer)
  buffer.fill(7)
  structuredClone(buffer.buffer)
  expect(structuredClone(buffer.buffer, { transfer: [buffer.buffer] }).byteLength).toBe(400_000)
  expect(buffer).toHaveLength(400_000)
  expect(rt.sendBuffer(pid, id)).toBe(true)
  words[0] = 1
  buffer[0] = 1
  expect([buffer.length, words.length, buffer.toString()]).toEqual([0, 0, ''])
  expect(() => new Uint8Array(buffer.buffer)).toThrow('detached')
  await eventually(() => got.length === 1, 'the message')
  expect(got[0].every((byte) => byte === 7)).toBe(true)
  expect(rt.send(pid, got[0])).toBe(true)
  await eventually(() => got.length === 2, 'the message again')
  expect(got[1].equals(got[0])).toBe(true)
})
