// Fuzz of the mesh: any value for any argument of the calls to other nodes, and nodes that work on.
'use strict'

const { ErrorCode, IrisError, NodeRuntime, devCerts } = require('../..')
const { closeAll, open, turn } = require('./helpers.js')
const { MAKERS, OwnError } = require('./odd.js')

afterEach(closeAll)

/** Good arguments of each method, one after the other of which gives way to any value. */
const GOOD = {
  listen: () => ['127.0.0.1:0', { name: 'fuzzed', heartbeatMs: 100 }],
  startMesh: () => [{ window: 100_000, allow: { '*': ['x'] } }],
  resolveRemote: ({ address }) => [address, 'x'],
  sendRemote: ({ address, proxy }) => [address, proxy, 'data'],
  monitorRemote: ({ address, proxy }) => [address, proxy],
  isNodeUp: ({ address }) => [address],
  joinMesh: ({ address }) => [[address]],
  monitorNodes: ({ observed }) => [observed],
  demonitorNodes: ({ observed }) => [observed],
  meshInfo: () => [],
}
/** What makes a node makes it once. */
const MAKE_NODES = ['listen', 'startMesh']

/** Values of this test's own. */
const MORE = [
  ...['127.0.0.1:1', '127.0.0.1:99999', ':0', '[::1]:0', 'localhost', '0.0.0.0:0'].map((address) => () => address),
  ...[{ name: '' }, { name: 7 }, { timeout: 0 }, { timeout: NaN }, { heartbeatMs: 0 }, { heartbeatMs: 1e300 }].map((one) => () => one),
  ...[{ payloadMax: -1 }, { payloadMax: 2 ** 53 }, { window: 1.5 }, { certificates: '\0' }, { insecure: 'yes' }].map((one) => () => one),
  ...[{ v1Hosts: 'x' }, { v1Hosts: [7] }, { v1Hosts: ['a b'] }, { v1Hosts: ['10.0.0.1'] }].map((one) => () => one),
  ...[{ allow: [] }, { allow: { '*': 'x' } }, { allow: { '*': [7] } }, { allow: null }].map((one) => () => one),
]

function isTold(error) {
  return error instanceof OwnError || (error instanceof IrisError && Object.hasOwn(ErrorCode, error.code) && error.message.length > 0)
}

test.each(Object.keys(GOOD))('any value for each argument of %s', async (method) => {
  const far = open()
  far.register('x', far.spawn((message) => message))
  const near = open()
  near.startMesh({ timeout: 0.2 })
  const address = far.listen('127.0.0.1:0')
  const here = { address, proxy: await near.resolveRemote(address, 'x'), observed: near.spawnObservedHandler() }
  const wrong = []
  const waits = []
  for (let place = 0; place <= GOOD[method](here).length; place++) {
    for (const make of [...Object.values(MAKERS).flat(), ...MORE]) {
      const values = GOOD[method](here)
      const note = (error) => isTold(error) || wrong.push(`${method} with ${make} for argument ${place}: ${error?.stack ?? String(error)}`)
      const rt = MAKE_NODES.includes(method) ? new NodeRuntime({ logger: null }) : near
      try {
        values[place] = make()
        const result = rt[method](...values)
        if (result instanceof Promise) waits.push(result.catch(note))
      } catch (error) {
        note(error)
      }
      if (rt !== near) await rt.close()
    }
    await turn()
  }
  await Promise.all(waits)
  expect(wrong).toEqual([])
  const proxy = await near.resolveRemote(address, 'x')
  expect(String(await near.ask(proxy, 'are you there'))).toBe('are you there')
}, 120_000)

test('any value for the names of certificates', () => {
  const wrong = []
  for (const make of Object.values(MAKERS).flat()) {
    for (const call of [(value) => devCerts('/nowhere/at/all', value), (value) => devCerts('/nowhere/at/all', [value])]) {
      try {
        call(make())
      } catch (error) {
        if (!isTold(error)) wrong.push(`${make}: ${error?.stack ?? String(error)}`)
      }
    }
  }
  expect(wrong).toEqual([])
})
