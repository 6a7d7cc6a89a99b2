// Workers: a runtime in each worker thread, and threads that end with everything still running.
'use strict'

const { Worker } = require('node:worker_threads')
const path = require('node:path')
const { spawnSync } = require('node:child_process')

const ROOT = path.join(__dirname, '..', '..')

/** Runs a script in a worker thread; what it posted, and its exit code. */
function work(script) {
  const source = `
    const { parentPort, threadId } = require('node:worker_threads')
    const { NodeRuntime } = require(${JSON.stringify(ROOT)})
    const rt = new NodeRuntime()
    ${script}
  `
  const worker = new Worker(source, { eval: true })
  const posted = []
  worker.on('message', (message) => posted.push(message))
  const ended = new Promise((resolve, reject) => {
    worker.on('error', reject)
    worker.on('exit', (code) => resolve({ posted, code }))
  })
  return { worker, posted, ended }
}

test('each worker thread has its own runtime', async () => {
  const script = `
    let count = 0
    const pid = rt.spawn(() => {
      if (++count === 10_000) { parentPort.postMessage(count); rt.stop(pid) }
    })
    for (let index = 0; index < 10_000; index++) rt.send(pid, 'x')
  `
  const results = await Promise.all([1, 2, 3, 4].map(() => work(script).ended))
  for (const result of results) expect(result).toEqual({ posted: [10_000], code: 0 })
})

test('a worker that is terminated with live actors, timers and asks is gone cleanly', async () => {
  const script = `
    for (let index = 0; index < 10_000; index++) rt.spawn(() => {})
    rt.sendInterval(rt.spawn(() => {}), 1, 'tick')
    rt.spawnWithMailbox((mailbox) => mailbox.recv())
    rt.ask(rt.spawn(() => new Promise(() => {})), 'q', { timeout: null }).catch(() => {})
    const pid = rt.spawn((message) => rt.send(pid, message))
    rt.send(pid, 'for ever')
    parentPort.postMessage('ready')
  `
  for (let round = 0; round < 5; round++) {
    const { worker, ended } = work(script)
    await new Promise((resolve) => worker.once('message', resolve))
    await worker.terminate()
    expect((await ended).posted).toEqual(['ready'])
  }
})

test('a process that used the library in workers alone ends cleanly', () => {
  const source = `
    const { Worker } = require('node:worker_threads')
    const script = \`
      const { NodeRuntime } = require(${JSON.stringify(ROOT)})
      const rt = new NodeRuntime()
      const pid = rt.spawn((message) => String(message) === 'stop' ? void rt.stop(pid) : undefined)
      for (let index = 0; index < 1000; index++) rt.send(pid, 'x'.repeat(index))
      rt.sendAfter(pid, 5, 'stop')
    \`
    let left = 3
    const next = () => left-- > 0 && new Worker(script, { eval: true }).on('exit', next)
    next()
  `
  const { status, signal, stderr } = spawnSync(process.execPath, ['-e', source], { encoding: 'utf8', timeout: 30_000 })
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' })
})
