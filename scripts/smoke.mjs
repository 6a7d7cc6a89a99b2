// Tries an installed iris-actors in an empty place through import; prints one word.
import assert from 'node:assert'
import { NodeRuntime } from 'iris-actors'

const rt = new NodeRuntime()
const pid = rt.spawn((message) => message)
assert.equal(String(await rt.ask(pid, 'hello')), 'hello')
await rt.close()
console.log('import works too')
