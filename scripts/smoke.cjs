// Tries an installed iris-actors in an empty place through require: load time, an ask, a crash; prints one line.
'use strict'

const assert = require('node:assert')
const started = performance.now()
const { NodeRuntime, version } = require('iris-actors')
const loaded = performance.now()

async function main() {
  const rt = new NodeRuntime()
  const begun = performance.now()
  const pid = rt.spawn((message) => String(message).toUpperCase())
  assert.equal(String(await rt.ask(pid, 'hello')), 'HELLO')
  rt.hotSwap(pid, () => {
    throw new Error('no')
  })
  await assert.rejects(rt.ask(pid, 'hello'), { code: 'AskFailed' })
  await rt.join(pid)
  assert.equal(rt.isAlive(pid), false)
  await rt.close()
  const ms = (from, to) => (to - from).toFixed(1)
  console.log(`iris ${version()}: require ${ms(started, loaded)} ms, first runtime ${ms(loaded, begun)} ms`)
}

main()
