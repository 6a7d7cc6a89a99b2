// Waits: pull actors that wait in several ways at once, look without waiting, stop, and begin anew.
'use strict'

const { closeAll, deferred, eventually, open, turn } = require('./helpers.js')

afterEach(closeAll)

/** A pull actor that hands its mailbox out and lives until it is stopped. */
async function holder(rt) {
  const given = deferred()
  const over = deferred()
  const pid = rt.spawnWithMailbox((mailbox) => {
    given.resolve(mailbox)
    return over.promise
  })
  return { pid, mailbox: await given.promise, finish: over.resolve }
}

test('a wake that comes late, of a wait before, hurts no later look', async () => {
  const rt = open()
  const { pid, mailbox, finish } = await holder(rt)
  expect(await mailbox.recv(0)).toBe(null)
  rt.send(pid, 'x')
  const looks = [mailbox.recv(0), mailbox.recv(0)]
  expect((await Promise.all(looks)).map(String)).toEqual(['x', 'null'])
  await turn()
  await turn()
  expect(await mailbox.recv(0)).toBe(null)
  rt.send(pid, 'y')
  expect(String(await mailbox.recv(5))).toBe('y')
  finish()
})

test('of several waits each is woken, whatever the others take', async () => {
  const rt = open()
  const { pid, mailbox, finish } = await holder(rt)
  const a = mailbox.selectiveRecv((message) => String(message) === 'a', 5)
  const b = mailbox.recv(5)
  await turn()
  await turn()
  rt.send(pid, 'b')
  expect(String(await b)).toBe('b')
  rt.send(pid, 'a')
  expect(String(await a)).toBe('a')
  finish()
})

test('a matcher that fails takes nothing and wakes nobody else too early', async () => {
  const rt = open()
  const { pid, mailbox, finish } = await holder(rt)
  const chosen = mailbox.selectiveRecv((message) => String(message) === 'd', 5)
  const failing = mailbox.selectiveRecv(() => {
    throw new Error('no matcher')
  }, 5)
  await turn()
  await turn()
  rt.send(pid, 'c')
  await expect(failing).rejects.toThrow('no matcher')
  rt.send(pid, 'd')
  expect(String(await chosen)).toBe('d')
  expect(String(await mailbox.recv(5))).toBe('c')
  finish()
})

test('a matcher may wait at its own mailbox, and give up waits', async () => {
  const rt = open()
  const { pid, mailbox, finish } = await holder(rt)
  rt.send(pid, 'one')
  let inner
  const outer = mailbox.selectiveRecv(() => {
    inner ??= mailbox.recv(5)
    return true
  }, 5)
  expect(String(await outer)).toBe('one')
  await turn()
  rt.send(pid, 'two')
  expect(String(await inner)).toBe('two')

  const given = new AbortController()
  const matcher = () => {
    given.abort()
    return true
  }
  const aborted = mailbox.selectiveRecv(matcher, 5, { signal: given.signal })
  const other = mailbox.recv(5)
  rt.send(pid, 'three')
  await expect(aborted).rejects.toMatchObject({ name: 'AbortError' })
  expect(String(await other)).toBe('three')
  finish()
})

test('a look that does not wait finds what is there, also beyond the budget', async () => {
  const rt = open()
  const count = 2000
  let got = 0
  const pid = rt.spawnWithMailbox(async (mailbox) => {
    while ((await mailbox.recv(0)) !== null) {
      got++
      // Longer than the shortest time-out of a timer takes in all.
      for (const until = performance.now() + 0.02; performance.now() < until; );
    }
  }, 10)
  for (let index = 0; index < count; index++) rt.send(pid, 'x')
  expect(await rt.join(pid, 20)).toBe(true)
  expect(got).toBe(count)
})

test('recvMany leaves others their turn', async () => {
  const rt = open()
  const { pid, mailbox, finish } = await holder(rt)
  const count = 300_000
  for (let index = 0; index < count; index++) rt.send(pid, 'x')
  let [got, takes] = [0, 0]
  while (got < count) {
    got += (await mailbox.recvMany(count, 5)).length
    takes++
  }
  expect(got).toBe(count)
  expect(takes).toBeGreaterThan(1)
  finish()
})

test('recvMany gives what is there up to the budget, however busy the machine is', async () => {
  const rt = open()
  const { pid, mailbox, finish } = await holder(rt)
  for (let index = 0; index < 100; index++) rt.send(pid, 'x')
  const taken = mailbox.recvMany(1000, 5)
  // The slice is over before the first message is looked at again.
  for (const until = performance.now() + 20; performance.now() < until; );
  expect(await taken).toHaveLength(100)
  finish()
})

test('a pull actor that does not receive sees that it was told to stop', async () => {
  const rt = open()
  const { pid, mailbox, finish } = await holder(rt)
  expect(mailbox.stopped).toBe(false)
  const waiting = mailbox.recv()
  expect(mailbox.stopped).toBe(false)
  rt.send(pid, 'x')
  expect(mailbox.stopped).toBe(false)
  expect(String(await waiting)).toBe('x')
  rt.stop(pid)
  expect(mailbox.stopped).toBe(true)
  expect(await mailbox.recv(5)).toBe(null)
  finish()
  expect(await rt.join(pid, 5)).toBe(true)
  expect(mailbox.stopped).toBe(true)
})

test('an answer that is none leaves the right to answer', async () => {
  const rt = open()
  const { pid, mailbox, finish } = await holder(rt)
  const answer = rt.ask(pid, 'question', { timeout: 10 })
  const question = await mailbox.recv(5)
  expect(() => mailbox.reply(question, 5)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
  expect(mailbox.reply(question, 'answer')).toBe(true)
  expect(mailbox.reply(question, 'again')).toBe(false)
  expect(String(await answer)).toBe('answer')
  finish()
})

test('a pull actor that a sibling takes with it receives again after its restart', async () => {
  const rt = open()
  const supervisor = rt.spawnSupervisor({ strategy: 'one_for_all' })
  const log = []
  const child = (name) =>
    rt.startChild(
      supervisor,
      () => async (mailbox) => {
        for await (const message of mailbox) {
          log.push(`${name} ${message}`)
          if (String(message) === 'fail') throw new Error('fail')
        }
      },
      { kind: 'pull' },
    )
  const [a, b] = [child('a'), child('b')]
  rt.send(a, 'fail')
  await eventually(() => rt.actorInfo(a).restarts === 1 && rt.actorInfo(b).restarts === 1, 'both restarts')
  rt.send(a, 'hello')
  rt.send(b, 'hello')
  await eventually(() => log.length === 3, 'the messages after the restart')
  expect(log.sort()).toEqual(['a fail', 'a hello', 'b hello'])
})

test('a matcher sees the size of mailboxes whose messages wait to be handled', async () => {
  const rt = open()
  const { pid, mailbox, finish } = await holder(rt)
  let handled = 0
  const target = rt.spawn(() => void handled++)
  const sizes = []
  const waiting = mailbox.selectiveRecv(() => sizes.push(handled + rt.mailboxSize(target)) > 0, 5)
  for (let index = 0; index < 3; index++) rt.send(target, 'x')
  rt.send(pid, 'x')
  await waiting
  expect(sizes).toEqual([3])
  finish()
})

test.each([true, false])('a wait that its matcher aborts at the first look ends and takes nothing: %s', async (matches) => {
  const rt = open()
  const { pid, mailbox, finish } = await holder(rt)
  rt.sendMany(pid, ['a', 'b'])
  for (const seconds of [undefined, 5, 0]) {
    const given = new AbortController()
    const matcher = () => {
      given.abort()
      return matches
    }
    await expect(mailbox.selectiveRecv(matcher, seconds, { signal: given.signal })).rejects.toMatchObject({ name: 'AbortError' })
  }
  expect((await mailbox.recvMany(5)).map(String)).toEqual(['a', 'b'])
  finish()
})
