// Threads: where the system gives no thread more, what needs one is refused, and the process ends as it should.
'use strict'

const { run } = require('./processes.js')

// No thread can be started after this. Linux counts those of a user, but never root's.
const SCARCE = `
  const threadsAreScarce = () => {
    require('node:child_process').execFileSync('prlimit', ['--nproc=1:1', '--pid', String(process.pid)])
    if (process.getuid() === 0) process.setuid(65534)
  }
`

test('a close without a thread is refused, and the runtime goes on', async () => {
  const script = `${SCARCE}
    const pid = rt.spawn((message) => message)
    const main = async () => {
      await rt.ask(pid, 'x')
      threadsAreScarce()
      for (const close of [() => rt.close(), () => rt.shutdown(1)]) {
        await close().catch((error) => console.log(error.code, rt.closed, rt.isAlive(pid)))
      }
      console.log(String(await rt.ask(pid, 'answer')))
      rt.stop(pid)
    }
    main()
  `
  const out = 'LimitReached false true\n'.repeat(2) + 'answer\n'
  expect(await run(script)).toMatchObject({ out, err: '', code: 0 })
})

test('a node without threads is refused, and the runtime goes on', async () => {
  const script = `${SCARCE}
    const pid = rt.spawn((message) => message)
    const main = async () => {
      await rt.ask(pid, 'x')
      threadsAreScarce()
      try { rt.listen('127.0.0.1:0') } catch (error) { console.log(error.code) }
      await rt.resolveRemote('127.0.0.1:1', 'nobody').catch((error) => console.log(error.code))
      console.log(String(await rt.ask(pid, 'answer')))
      rt.stop(pid)
    }
    main()
  `
  const out = 'LimitReached\nLimitReached\nanswer\n'
  expect(await run(script)).toMatchObject({ out, err: '', code: 0 })
})

test('a process without a thread ends', async () => {
  const script = `${SCARCE}
    rt.unref()
    const pids = Array.from({ length: 100 }, () => rt.spawn(() => {}))
    rt.spawnWithMailbox((mailbox) => mailbox.recv())
    rt.sendInterval(pids[0], 1, 'tick')
    setImmediate(() => {
      threadsAreScarce()
      process.on('exit', () => {
        for (const pid of pids) rt.send(pid, 'queued')
        console.log('exit')
      })
    })
  `
  expect(await run(script)).toMatchObject({ out: 'exit\n', err: '', code: 0 })
})
