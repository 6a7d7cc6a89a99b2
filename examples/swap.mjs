// Swap: new code for a running actor, and back again; messages flow meanwhile and none is lost.
import { NodeRuntime } from 'iris-actors'

const rt = new NodeRuntime()

const pid = rt.spawn((message) => `version 1 says ${message}`)
console.log(String(await rt.ask(pid, 'hi')))

rt.hotSwap(pid, (message) => `version 2 shouts ${String(message).toUpperCase()}`)
console.log(String(await rt.ask(pid, 'hi')))

rt.rollbackBehavior(pid)
console.log(String(await rt.ask(pid, 'hi')), `(version ${rt.behaviorVersion(pid)})`)

await rt.close()

// > version 1 says hi
// > version 2 shouts HI
// > version 1 says hi (version 1)
