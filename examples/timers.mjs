// Timers: messages sent later; the process ends by itself when its last actor is gone.
import { NodeRuntime } from 'iris-actors'

const rt = new NodeRuntime()

const ticks = []
const clock = rt.spawn((message) => {
  ticks.push(String(message))
  if (ticks.length < 3) return
  console.log(ticks.join(' '))
  rt.cancelTimer(interval)
  rt.stop(clock)
})
const interval = rt.sendInterval(clock, 100, 'tick')
rt.sendAfter(clock, 5, 'start')

// > start tick tick
