// Hosts: the library within forks, clusters, worker threads, other contexts and two module systems at once.
'use strict'

const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')

const { ROOT, run, runSource } = require('./processes.js')

/** Loads and unloads in worker threads; `make deep` asks for 1,000. */
const WORKERS = Number(process.env.IRIS_WORKER_RUNS ?? 40)

const REQUIRE = `require(${JSON.stringify(ROOT)})`

let folder
beforeAll(() => (folder = fs.mkdtempSync(path.join(os.tmpdir(), 'iris-hosts-'))))
afterAll(() => fs.rmSync(folder, { recursive: true }))

/** Runs a script that is a file, as fork and cluster need it. */
function runFile(name, script) {
  const file = path.join(folder, name)
  fs.writeFileSync(file, script)
  return runSource(`process.argv[1] = ${JSON.stringify(file)}; require(${JSON.stringify(file)})`)
}

test('child_process.fork: parent and child have runtimes of their own', async () => {
  const child = path.join(folder, 'child.js')
  fs.writeFileSync(
    child,
    `
    const { NodeRuntime } = ${REQUIRE}
    const rt = new NodeRuntime()
    const pid = rt.spawn((message) => 'answered ' + message)
    process.on('message', async (word) => {
      process.send(String(await rt.ask(pid, word)))
      process.disconnect()
      await rt.close()
    })
  `,
  )
  const script = `
    const { fork } = require('node:child_process')
    const pid = rt.spawn((message) => console.log(String(message)))
    let left = 3
    for (let index = 0; index < 3; index++) {
      const forked = fork(${JSON.stringify(child)})
      forked.on('message', (word) => rt.send(pid, word))
      forked.on('exit', (code, signal) => {
        if (code !== 0) console.log(code, signal)
        if (--left === 0) rt.stop(pid)
      })
      forked.send('child')
    }
  `
  const { out, err, code, signal } = await run(script)
  expect({ out, err, code, signal }).toEqual({ out: 'answered child\n'.repeat(3), err: '', code: 0, signal: null })
})

test('cluster: a primary with a live runtime has workers with theirs', async () => {
  const { out, err, code, signal } = await runFile(
    'cluster.js',
    `
    const cluster = require('node:cluster')
    const { NodeRuntime } = ${REQUIRE}
    const rt = new NodeRuntime()
    const pid = rt.spawn((message) => String(message).toUpperCase())
    if (cluster.isPrimary) {
      cluster.setupPrimary({ exec: __filename })
      let left = 2
      for (let index = 0; index < 2; index++) {
        const worker = cluster.fork()
        worker.on('message', async (word) => {
          console.log(String(await rt.ask(pid, word)))
          worker.send('over')
        })
        worker.on('exit', (code, signal) => {
          if (code !== 0) console.log(code, signal)
          if (--left === 0) rt.close()
        })
      }
    } else {
      rt.ask(pid, 'worker').then((answer) => process.send(String(answer)))
      process.on('message', () => process.exit(0))
    }
  `,
  )
  expect({ out, err, code, signal }).toEqual({ out: 'WORKER\nWORKER\n', err: '', code: 0, signal: null })
})

/** What a worker thread does with its runtime, and how it ends. */
const IN_WORKERS = [
  // Ends by itself.
  `const pid = rt.spawn(() => rt.stop(pid)); rt.send(pid, 'x')`,
  `rt.spawn(() => {}); rt.close()`,
  // Is left with everything under way.
  `rt.sendInterval(rt.spawn(() => {}), 1, 'tick'); rt.spawnWithMailbox((mailbox) => mailbox.recv()); rt.unref()`,
  `rt.send(rt.spawn(() => process.exit(0)), 'x')`,
  `rt.spawnWithMailbox(() => process.exit(0))`,
  // Is terminated in the midst of work.
  `const pid = rt.spawn((message) => { rt.send(pid, message) }); rt.send(pid, 'x'); parentPort.postMessage('end me')`,
  `const pid = rt.spawn(() => { for (;;); }); rt.send(pid, 'x'); parentPort.postMessage('end me')`,
  `parentPort.postMessage('end me'); for (;;) rt.send(rt.spawn(() => {}), Buffer.alloc(100))`,
  `const supervisor = rt.spawnSupervisor({ intensity: 1e9, backoff: [0, 0] })
   const pid = rt.startChild(supervisor, () => () => { rt.send(pid, 'x'); throw new Error('on purpose') })
   rt.send(pid, 'x'); parentPort.postMessage('end me')`,
].map((script) => `const { NodeRuntime } = ${REQUIRE}; const rt = new NodeRuntime({ logger: null }); ${script}`)

/** Milliseconds that a load and its end may take beyond those of a worker that has nothing to do. */
const HANG_MS = 2000
/** What 1,000 loads may leave behind is 40 kB each. */
const GROWTH_MAX = 40e6

/** Loads worker threads one after the other, beginning each round with a bare one; what each took, and the memory after each round. */
const LOADS = `
  const { Worker } = require('node:worker_threads')
  const load = (script) => new Promise((resolve, reject) => {
    const began = performance.now()
    const worker = new Worker("const { parentPort } = require('node:worker_threads');" + script, { eval: true })
    worker.on('message', () => worker.terminate())
    worker.on('error', reject)
    worker.on('exit', (code) => resolve({ code, ms: performance.now() - began }))
  })
  const main = async (scripts, runs) => {
    const [bare, loads, memory] = [[], [], []]
    for (let index = 0; index < runs; index++) {
      if (index % scripts.length === 0) {
        bare.push(await load(''))
        memory.push(process.memoryUsage.rss())
      }
      loads.push(await load(scripts[index % scripts.length]))
    }
    console.log(JSON.stringify({ bare, loads, memory }))
  }
`

test('worker threads: loaded and unloaded again and again, with and without an end in order, none hangs or leaves anything', async () => {
  const script = `${LOADS} main(${JSON.stringify(IN_WORKERS)}, ${WORKERS})`
  const { out, err, code, signal } = await runSource(script, [], 600_000)
  expect({ err, code, signal }).toEqual({ err: '', code: 0, signal: null })
  const { bare, loads, memory } = JSON.parse(out)
  expect(loads).toHaveLength(WORKERS)
  for (const load of loads) expect([0, 1]).toContain(load.code)
  const longest = (seen) => Math.max(...seen.map(({ ms }) => ms))
  expect(longest(loads) - longest(bare)).toBeLessThan(HANG_MS)
  expect(memory.at(-1) - memory[2]).toBeLessThan(GROWTH_MAX)
}, 660_000)

test('ES modules and CommonJS, loaded twice, share a process', async () => {
  const script = `
    const main = async () => {
      const { default: iris } = await import(${JSON.stringify(path.join(ROOT, 'index.mjs'))})
      const key = require.resolve(${JSON.stringify(ROOT)})
      for (const name of Object.keys(require.cache)) {
        if (name.startsWith(${JSON.stringify(ROOT)})) delete require.cache[name]
      }
      const again = require(key)
      console.log(iris.NodeRuntime === NodeRuntime, again.NodeRuntime === NodeRuntime)
      const other = new again.NodeRuntime()
      const one = rt.spawn((message) => other.ask(pid, message))
      const pid = other.spawn((message) => 'through both: ' + message)
      console.log(String(await rt.ask(one, 'hello')))
      try {
        other.register('', 1)
      } catch (error) {
        console.log(error instanceof again.IrisError, error instanceof iris.IrisError)
      }
      const { id } = again.allocateBuffer(10)
      console.log(other.sendBuffer(pid, id))
      await Promise.all([rt.close(), other.close()])
    }
    main()
  `
  const { out, err, code } = await run(script)
  const expected = 'true false\nthrough both: hello\ntrue false\ntrue\n'
  expect({ out, err, code }).toEqual({ out: expected, err: '', code: 0 })
})

test('handlers, data, errors and promises of another context', async () => {
  const script = `
    const vm = require('node:vm')
    const context = vm.createContext({ rt, console, allocateBuffer })
    const source = \`
      (async () => {
        const echo = rt.spawn((message) => new Uint8Array(message))
        console.log(String(await rt.ask(echo, new Uint8Array([104, 105]))))
        console.log(String(await rt.ask(rt.spawn(async () => 'async'), new ArrayBuffer(3))))
        const watcher = rt.spawnObservedHandler()
        const crashing = rt.spawn(() => { throw new RangeError('of the context') })
        rt.monitor(crashing, watcher)
        rt.send(crashing, 'x')
        await rt.join(crashing)
        const [{ system }] = rt.getMessages(watcher)
        console.log(system.reason, system.metadata.type, system.metadata.message)
        const pull = rt.spawnWithMailbox(async (mailbox) => mailbox.reply(await mailbox.recv(), 'pulled'))
        console.log(String(await rt.ask(pull, 'x')))
        rt.spawn(() => {})
      })()
    \`
    vm.runInContext(source, context, { filename: 'context.js' }).then(() => rt.close())
  `
  const { out, err, code } = await run(script, { runtime: 'new NodeRuntime({ logger: null })' })
  expect({ out, err, code }).toEqual({ out: 'hi\nasync\nCrash RangeError of the context\npulled\n', err: '', code: 0 })
})

test('what sends when it is collected does so as anybody else', async () => {
  const script = `
    const turn = () => new Promise(setImmediate)
    const main = async () => {
      let told = 0
      const pid = rt.spawn(() => void told++)
      const registry = new FinalizationRegistry(() => rt.send(pid, 'gone'))
      const holding = rt.spawn((message) => registry.register(message) && undefined)
      rt.sendMany(holding, new Array(100).fill('x'.repeat(10_000)))
      rt.stop(rt.spawn(Object.assign(() => {}, { kept: registry.register({}) })))
      while (told < 101) { await turn(); gc() }
      console.log(told, rt.isAlive(holding))
      await rt.close()
    }
    main()
  `
  const { out, err, code } = await run(script, { args: ['--expose-gc'] })
  expect({ out, err, code }).toEqual({ out: '101 true\n', err: '', code: 0 })
})

test('what is not used any more is collected: handlers, messages, runtimes', async () => {
  const script = `
    const turns = async (count) => { for (let index = 0; index < count; index++) await new Promise(setImmediate) }
    const use = async (refs) => {
      const rt = new NodeRuntime({ logger: null })
      const handler = (message) => { refs.push(new WeakRef(message)); if (String(message) === 'crash') throw new Error('x') }
      const made = () => async () => {}
      const pull = async (mailbox) => { for await (const message of mailbox) refs.push(new WeakRef(message)) }
      for (const thing of [rt, handler, made, pull]) refs.push(new WeakRef(thing))
      const pid = rt.spawn(handler)
      rt.sendMany(pid, ['a', 'b', 'crash'])
      rt.sendMany(rt.spawnWithMailbox(pull), ['c', 'd'])
      rt.startChild(rt.spawnSupervisor(), made)
      rt.hotSwap(rt.spawn(() => {}), handler)
      rt.superviseWithFactory(rt.spawn(() => {}), made)
      await rt.ask(rt.spawn(async (message) => message), 'x')
      await rt.join(pid)
      const { id, buffer } = allocateBuffer(100_000)
      refs.push(new WeakRef(buffer))
      rt.sendBuffer(rt.spawn(() => {}), id)
      await turns(3)
      await rt.close()
    }
    const main = async () => {
      await use([])
      await turns(5)
      gc()
      const before = process.memoryUsage()
      const refs = []
      for (let round = 0; round < 20; round++) await use(refs)
      for (let round = 0; round < 20; round++) { await turns(2); gc() }
      const after = process.memoryUsage()
      const alive = refs.filter((ref) => ref.deref() !== undefined).length
      const grown = (kind) => Math.round((after[kind] - before[kind]) / 1e5)
      console.log(refs.length > 180, alive, grown('heapUsed') < 10, grown('arrayBuffers') < 10, grown('external') < 20)
      await rt.close()
    }
    main()
  `
  const { out, err, code } = await run(script, { args: ['--expose-gc'] })
  expect({ out, err, code }).toEqual({ out: 'true 0 true true true\n', err: '', code: 0 })
})
