// Hello: an actor that answers, and one that keeps count.
import { NodeRuntime } from 'iris-actors'

const rt = new NodeRuntime()

const greeter = rt.spawn((message) => `hello ${message}`)
console.log(String(await rt.ask(greeter, 'world')))

// State lives in a closure; nobody else can reach it.
let count = 0
const counter = rt.spawn((message) => {
  if (String(message) === 'how many?') return `${count}`
  count += 1
})
for (let number = 0; number < 1000; number++) rt.send(counter, 'tick')
console.log(String(await rt.ask(counter, 'how many?')))

await rt.close()

// > hello world
// > 1000
