// Healing: a child that crashes is restarted in place, with fresh state, and the messages behind the bad one are handled.
import { NodeRuntime } from 'iris-actors'

const rt = new NodeRuntime({ logger: { error: (_, error) => console.log(`crashed: ${error.message}`) } })
const supervisor = rt.spawnSupervisor({ strategy: 'one_for_one', intensity: 5, period: 10 })

const makeHandler = () => {
  let sum = 0
  return (message) => {
    const number = Number(message)
    if (Number.isNaN(number)) throw new TypeError(`${message} is no number`)
    sum += number
    return `${sum}`
  }
}
const adder = rt.startChild(supervisor, makeHandler, { name: 'adder' })

rt.send(adder, '1')
rt.send(adder, '2')
rt.send(adder, 'three')
rt.send(adder, '4')
console.log(`sum since the restart: ${await rt.ask(rt.whereis('adder'), '0')}`)
console.log(`still the same pid: ${rt.whereis('adder') === adder}`)

await rt.close()

// > crashed: three is no number
// > sum since the restart: 4
// > still the same pid: true
