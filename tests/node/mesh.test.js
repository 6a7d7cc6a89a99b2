// The mesh: nodes in processes of their own, Python and Node, that are found, spoken to, watched and killed.
'use strict'

const fs = require('node:fs')
const net = require('node:net')
const os = require('node:os')
const path = require('node:path')
const { spawn } = require('node:child_process')

const { devCerts } = require('../..')
const { Log } = require('../../js/log.js')
const { closeAll, deferred, eventually, open } = require('./helpers.js')
const { run } = require('./processes.js')

const ROOT = path.join(__dirname, '..', '..')
const LANGUAGES = [
  ['node', [process.execPath, path.join(__dirname, 'mesh_node.js')]],
  ['python', [path.join(ROOT, '.venv', 'bin', 'python'), path.join(ROOT, 'tests', 'python', 'mesh_node.py')]],
]

const started = []

/** A node in a process of its own, and its address. */
async function start([command, ...args], ...more) {
  const child = spawn(command, [...args, ...more], { stdio: ['pipe', 'pipe', 'inherit'] })
  started.push(child)
  let said = ''
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    said += chunk
    if (said.includes('\n')) break
  }
  return { child, address: said.trim() }
}

/** The notices of an observed actor without heartbeats. */
function ends(rt, watcher) {
  return rt.getMessages(watcher).filter(({ system }) => system.typeName !== 'PONG')
}

afterEach(async () => {
  await closeAll()
  await Promise.all(
    started.splice(0).map((child) => {
      const gone = child.exitCode !== null || child.signalCode !== null
      const exited = gone ? undefined : new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      return exited
    }),
  )
})

test.each(LANGUAGES)('actors of another process: %s', async (_, language) => {
  const { address } = await start(language)
  const rt = open()
  const count = await rt.resolveRemote(address, 'count')
  expect(count).toBeGreaterThanOrEqual(2 ** 52)
  expect(await rt.resolveRemote(address, 'count')).toBe(count)
  expect(await rt.resolveRemote(address, 'nobody')).toBeNull()
  for (let number = 0; number < 2000; number++) expect(rt.send(count, String(number))).toBe(true)
  expect(String(await rt.ask(count, 'how many?'))).toBe('2000 True')
  const echo = await rt.resolveRemote(address, 'echo')
  const long = Buffer.alloc(100_000, 'x')
  expect((await rt.ask(echo, long)).equals(long)).toBe(true)
  expect(await rt.isNodeUp(address)).toBe(true)
  expect(rt.sendRemote(address, count, '2000')).toBe(true)
  expect(String(await rt.ask(count, 'how many?'))).toBe('2001 True')
  expect(rt.meshInfo().nodes).toHaveLength(1)
})

test.each(LANGUAGES)('the end of an actor is told with its reason: %s', async (_, language) => {
  const { address } = await start(language)
  const rt = open()
  const fragile = await rt.resolveRemote(address, 'fragile')
  const watcher = rt.spawnObservedHandler()
  rt.monitor(fragile, watcher)
  rt.link(fragile, watcher)
  rt.send(fragile, 'crash')
  const seen = []
  await eventually(() => seen.push(...ends(rt, watcher)) && seen.length === 2, 'EXIT and DOWN')
  expect(seen.map(({ system }) => system.typeName).sort()).toEqual(['DOWN', 'EXIT'])
  expect(seen[0].system).toMatchObject({ targetPid: fragile, reason: 'Crash' })
  expect(seen[0].system.metadata.message).toBe('told to crash')
  await expect(rt.monitorRemote(address, fragile)).rejects.toMatchObject({ code: 'NoProcess' })
})

test.each(LANGUAGES)('a killed node is told to each monitor once: %s', async (_, language) => {
  const { child, address } = await start(language)
  const rt = open()
  const echo = await rt.resolveRemote(address, 'echo')
  expect(await rt.monitorRemote(address, echo)).toBe(echo)
  const watcher = rt.spawnObservedHandler()
  for (let number = 0; number < 10_000; number++) rt.monitor(echo, watcher)
  child.kill('SIGKILL')
  const since = performance.now()
  await rt.join(echo)
  const told = []
  await eventually(() => told.push(...ends(rt, watcher)) >= 10_000, 'each DOWN')
  expect(performance.now() - since).toBeLessThan(3500)
  expect(told).toHaveLength(10_000)
  expect(new Set(told.map(({ system }) => system.reason))).toEqual(new Set(['NodeDown']))
  expect(await rt.isNodeUp(address)).toBe(false)
  expect(await rt.resolveRemote(address, 'echo')).toBeNull()
})

test('a factory links again when the node returns', async () => {
  const { child, address } = await start(LANGUAGES[0][1])
  const rt = open()
  const echo = await rt.resolveRemote(address, 'echo')
  const factory = async () => {
    const pid = await rt.resolveRemote(address, 'echo')
    if (pid === null) throw new Error('not back yet')
    return pid
  }
  rt.superviseWithFactory(echo, factory, 'RestartOne')
  child.kill('SIGKILL')
  await rt.join(echo)
  await start(LANGUAGES[0][1], address)
  await eventually(() => rt.childPids().some((pid) => pid !== echo), 'the link heals')
  expect(String(await rt.ask(rt.childPids()[0], 'again'))).toBe('again')
})

test('members find each other', async () => {
  const rt = open()
  const address = rt.listen('127.0.0.1:0', { name: 'first', heartbeatMs: 200 })
  rt.joinMesh([])
  for (const [, language] of LANGUAGES) await start(language, '127.0.0.1:0', '', address)
  await eventually(() => rt.meshInfo().nodes.length === 2, 'both have joined')
  const late = open()
  expect(() => late.joinMesh([address])).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
  late.listen('127.0.0.1:0', { name: 'late', heartbeatMs: 200 })
  for (const wrong of [address, [1], ['nowhere']]) {
    expect(() => late.joinMesh(wrong)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
  }
  expect(() => late.joinMesh(['192.0.2.1:9000'])).toThrow(expect.objectContaining({ code: 'NotPermitted' }))
  late.joinMesh([address])
  await eventually(() => late.meshInfo().nodes.length === 3, 'one that comes later finds all')
})

test('a global name is found from every member', async () => {
  const rt = open()
  const address = rt.listen('127.0.0.1:0', { name: 'first', heartbeatMs: 200 })
  const pid = rt.spawn((message) => message)
  expect(() => rt.register('here', pid, { global: true })).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
  expect(() => rt.register('here', pid, { global: 1 })).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
  rt.joinMesh([])
  rt.register('here', pid, { global: true })
  for (const [name, language] of LANGUAGES) {
    await start(language, '127.0.0.1:0', '', address)
    await eventually(() => rt.whereis(name) !== null, `${name} is found`)
    expect(String(await rt.ask(rt.whereis(name), 'hello'))).toBe('hello')
    expect(() => rt.register(name, pid, { global: true })).toThrow(expect.objectContaining({ code: 'NameTaken' }))
  }
  for (const child of started) child.kill('SIGKILL')
  await eventually(() => rt.whereis('python') === null && rt.whereis('node') === null, 'the names are free')
})

test.each(LANGUAGES)('nodes that come and go are told: %s', async (_, language) => {
  const { child, address } = await start(language)
  const rt = open()
  const watcher = rt.spawnObservedHandler()
  rt.monitorNodes(watcher)
  expect(await rt.isNodeUp(address)).toBe(true)
  const seen = []
  await eventually(() => seen.push(...rt.getMessages(watcher)) && seen.length === 1, 'NODE_UP')
  child.kill('SIGKILL')
  await eventually(() => seen.push(...rt.getMessages(watcher)) && seen.length === 2, 'NODE_DOWN')
  const [up, down] = seen.map(({ system }) => system)
  expect(up).toMatchObject({ typeName: 'NODE_UP', metadata: { node: expect.any(String), address } })
  expect(down.typeName).toBe('NODE_DOWN')
  expect(down.metadata).toEqual({ ...up.metadata, message: expect.stringMatching(/./) })
  expect([rt.demonitorNodes(watcher), rt.demonitorNodes(watcher)]).toEqual([true, false])
  expect(() => rt.monitorNodes(rt.spawn(() => {}))).toThrow(expect.objectContaining({ code: 'WrongActorKind' }))
})

test('addresses_of_nodes_are_checked', async () => {
  const rt = open()
  expect(rt.meshInfo()).toBeNull()
  const address = rt.listen('127.0.0.1:0', { name: 'here', heartbeatMs: 500 })
  expect(rt.meshInfo()).toEqual({ name: 'here', addresses: [address], nodes: [], refused: 0 })
  const other = open()
  expect(() => other.listen(address)).toThrow(expect.objectContaining({ code: 'ListenFailed' }))
  expect(() => other.listen('0.0.0.0:0')).toThrow(expect.objectContaining({ code: 'NotPermitted' }))
  expect(() => other.listen('nowhere')).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
  expect(() => other.startMesh({ heartbeatMs: 1 })).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
  await expect(other.monitorRemote('127.0.0.1:1', 2 ** 28)).rejects.toMatchObject({ code: 'NodeDown' })
  expect(await other.isNodeUp('127.0.0.1:1')).toBe(false)
  expect(await other.isNodeUp(address)).toBe(true)
  for (const v1Hosts of [['10.0.0.0/8'], ['old:9000'], ['0.0.0.0'], ['nobody.invalid'], Array(65).fill('10.0.0.1'), 'old', [7]]) {
    expect(() => open().startMesh({ v1Hosts })).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
  }
  expect(() => open().startMesh({ allow: { here: 'mail' } })).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
})

test('version 1 is spoken with hosts that are listed', async () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'iris-'))
  devCerts(directory, ['here'])
  const address = open().listen('127.0.0.1:0', { name: 'here', certificates: directory, v1Hosts: ['127.0.0.1'] })
  const old = net.connect(Number(address.split(':')[1]), '127.0.0.1')
  old.end(Buffer.from([2]))
  const answers = []
  for await (const answer of old) answers.push(answer)
  expect(Buffer.concat(answers)).toEqual(Buffer.from([3]))
  fs.rmSync(directory, { recursive: true })
})

test('rules and certificates', async () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'iris-'))
  devCerts(directory, ['here', 'there'])
  const there = open()
  for (const name of ['mail', 'secret']) there.register(name, there.spawn((message) => message))
  const certificates = directory
  const address = there.listen('127.0.0.1:0', { name: 'there', certificates, allow: { 'h*': ['mail'] } })
  const here = open()
  here.startMesh({ name: 'here', certificates })
  expect(String(await here.ask(await here.resolveRemote(address, 'mail'), 'hello'))).toBe('hello')
  expect(await here.resolveRemote(address, 'secret')).toBeNull()
  const stranger = open()
  stranger.startMesh({ timeout: 2 })
  expect(await stranger.resolveRemote(address, 'mail')).toBeNull()
  expect(() => devCerts(directory, ['../here'])).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
  fs.rmSync(directory, { recursive: true })
})

/** Connects, says what no node says, and waits for the end. */
function stranger(address) {
  const [host, port] = address.split(':')
  return new Promise((resolve) => {
    const socket = net.connect(Number(port), host, () => socket.end('GET / HTTP/1.1\r\n\r\n'))
    socket.resume().on('close', resolve).on('error', () => {})
  })
}

test('what happens between nodes is logged', async () => {
  const lines = []
  const say = (level) => (text) => void lines.push([level, text])
  const logger = { error: say('error'), warn: say('warn'), info: say('info'), debug: say('debug') }
  const logged = (level, text) =>
    eventually(() => lines.some((line) => line[0] === level && line[1].includes(text)), `${level}: ${text}`)
  const here = open({ logger })
  const address = here.listen('127.0.0.1:0', { name: 'here' })
  const there = open()
  there.startMesh({ name: 'there' })
  expect(await there.isNodeUp(address)).toBe(true)
  await logged('info', 'iris: node up [node=here peer=there]')
  await stranger(address)
  await logged('warn', 'iris: a connection was closed before it was made [node=here from=127.0.0.1:')
  await there.close()
  await logged('info', 'iris: node down [node=here peer=there reason=the peer said goodbye')
})

test('the console is told what is worth a look, ten lines a second', async () => {
  const said = { debug: [], info: [], warn: [], error: [] }
  const spies = Object.keys(said).map((level) =>
    jest.spyOn(console, level).mockImplementation((text) => void said[level].push(text)),
  )
  try {
    const here = open({ logger: console })
    const address = here.listen('127.0.0.1:0', { name: 'here' })
    const there = open({ logger: null })
    there.startMesh({ name: 'there' })
    expect(await there.isNodeUp(address)).toBe(true)
    await stranger(address)
    await eventually(() => said.warn.length > 0, 'a warning')
    expect(said.warn).toEqual([expect.stringMatching('a connection was closed before it was made')])
    new Log(console).lines(Array.from({ length: 30 }, () => ({ level: 'warn', text: 'a storm' })))
    expect(said.warn.slice(1)).toEqual(Array(10).fill('iris: a storm'))
    expect([said.debug, said.info, said.error]).toEqual([[], [], []])
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
  // One that knows errors alone is told warnings by them, and one that throws hurts nobody.
  const rt = open()
  await stranger(rt.listen('127.0.0.1:0'))
  await eventually(() => rt.failures.length > 0, 'a warning')
  expect(rt.failures[0].message).toMatch('iris: a connection was closed before it was made')
  const angry = () => {
    throw new Error('a logger that fails')
  }
  const other = open({ logger: { error: angry, warn: angry, info: angry } })
  await stranger(other.listen('127.0.0.1:0'))
  await eventually(() => other.meshInfo().refused === 1, 'the stranger is counted')
})

test.each([
  ['an ask', `console.log(String(await rt.ask(pid, 'x', { timeout: null })))`, 'answer\n'],
  ['a join', `rt.send(pid, 'x'); console.log(await rt.join(pid))`, 'true\n'],
  [
    'waits that end otherwise',
    `const given = new AbortController()
     const failed = ({ name, code }) => console.log(code ?? name)
     const aborted = rt.ask(pid, 'x', { signal: given.signal }).catch(failed)
     given.abort(new RangeError('given up'))
     await aborted
     await rt.ask(pid, 'x', { timeout: 0 }).catch(failed)
     console.log(await rt.join(pid, 0))`,
    'RangeError\nAskTimeout\nfalse\n',
  ],
])('what is asked of another node keeps the process until it is over, and no longer: %s', async (_, script, out) => {
  const rt = open()
  const slow = rt.spawnWithMailbox(async (mailbox) => {
    const question = await mailbox.recv()
    // Long after the client has nothing else to do.
    await mailbox.selectiveRecv(() => false, 0.3)
    mailbox.reply(question, 'answer')
  })
  rt.register('slow', slow)
  const address = rt.listen('127.0.0.1:0')
  const client = `
    const main = async () => {
      const pid = await rt.resolveRemote('${address}', 'slow')
      ${script}
    }
    main()
  `
  expect(await run(client)).toMatchObject({ out, err: '', code: 0 })
})

test('a send that waits for room at another node is no dead letter, and one that is too large is rejected', async () => {
  const [here, there] = [open(), open()]
  const gate = deferred()
  there.register(
    'slow',
    there.spawn(() => gate.promise),
  )
  const address = there.listen('127.0.0.1:0', { payloadMax: 5000, window: 70_000 })
  const slow = await here.resolveRemote(address, 'slow')
  const tooLarge = { code: 'InvalidArgument', message: expect.stringMatching('6000 bytes are more than') }
  for (const policy of ['dropnew', 'block']) {
    here.setOverflowPolicy(slow, policy)
    await expect(here.sendWhenRoom(slow, Buffer.alloc(6000))).rejects.toMatchObject(tooLarge)
  }
  const counted = here.stats().dropped.MailboxFull
  const sent = Array.from({ length: 100 }, () => here.sendWhenRoom(slow, Buffer.alloc(4000)))
  const late = here.sendWhenRoom(slow, Buffer.alloc(6000))
  const last = here.sendWhenRoom(slow, 'behind it')
  gate.resolve()
  await expect(late).rejects.toMatchObject(tooLarge)
  expect(await Promise.all([...sent, last])).toEqual(Array(101).fill(true))
  // The one that was too large, and no try of those that waited.
  expect(here.stats().dropped.MailboxFull - counted).toBe(1)
})
