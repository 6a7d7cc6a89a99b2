// Edges: what a runtime keeps alive, what it keeps of what it refused, and what it is independent of.
'use strict'

const { closeAll } = require('./helpers.js')
const { run } = require('./processes.js')

afterEach(closeAll)

test('a supervisor without children keeps the process until it is gone', async () => {
  const script = `
    const supervisor = rt.spawnSupervisor()
    const beat = setInterval(() => {
      console.log('stays')
      rt.stop(supervisor)
      clearInterval(beat)
    }, 50)
    beat.unref()
  `
  expect(await run(script)).toMatchObject({ out: 'stays\n', err: '', code: 0 })
})
