// Workloads: W1 to W12 of benches/README.md, for any system that spawns, sends and asks on the JavaScript thread.
//
// A system is { spawn(handler), send(to, message), ask(to, message), stopSelf(me) } and, where it has timers, sendAfter. A handler
// gets a message of sixteen bytes, and what it returns answers an ask.
import { BODY, asked, assert, flood, immediate, lateness, latch, now, rate, residentBytes, sleep } from './measure.mjs'

const echo = (message) => message

/** A message of two numbers, as bytes. */
export function make(first, second) {
  const body = Buffer.allocUnsafe(16)
  body.writeDoubleLE(first, 0)
  body.writeDoubleLE(second, 8)
  return body
}

const first = (body) => body.readDoubleLE(0)
const second = (body) => body.readDoubleLE(8)

export function workloads(system) {
  const { spawn, send, ask, stopSelf, sendAfter } = system
  // Lets what was sent be handled, where a system takes no more otherwise; a thousand messages make the turn cheap.
  const chunk = 1_000

  async function spawnIdle(count) {
    await ask(spawn(echo), BODY)
    const before = residentBytes()
    const actors = []
    const start = now()
    for (let number = 0; number < count; number += 1) actors.push(spawn(echo))
    const sample = rate(count, start)
    await ask(actors[count - 1], BODY)
    return { ...sample, bytes: (residentBytes() - before) / count }
  }

  const manyActors = (rounds) => async (count) => {
    const { one, wait } = latch(count * rounds)
    const actors = Array.from({ length: count }, () => spawn(one))
    const start = now()
    for (let round = 0; round < rounds; round += 1) for (const actor of actors) send(actor, BODY)
    await wait()
    return rate(count * rounds, start)
  }

  async function oneProducer(count) {
    const { one, wait } = latch(count)
    const actor = spawn(one)
    const start = now()
    for (let number = 0; number < count; number += 1) send(actor, BODY)
    await wait()
    return rate(count, start)
  }

  async function twoProducers(count) {
    const { one, wait } = latch(count)
    const actor = spawn(one)
    const produce = async () => {
      for (let number = 1; number <= count / 2; number += 1) {
        send(actor, BODY)
        if (number % chunk === 0) await immediate()
      }
    }
    const start = now()
    await Promise.all([produce(), produce(), wait()])
    return rate(count, start)
  }

  async function laps(actors, count) {
    const { one, wait } = latch(1)
    let left = count
    const ring = []
    const hop = (place) => {
      const next = (place + 1) % actors
      return (message) => {
        send(ring[next], message)
      }
    }
    const begin = (message) => {
      left -= 1
      if (left > 0) send(ring[1], message)
      else one()
    }
    for (let place = 0; place < actors; place += 1) ring.push(spawn(place === 0 ? begin : hop(place)))
    const start = now()
    send(ring[1], BODY)
    await wait()
    return start
  }

  function node(parent, number, leaves) {
    let missing = 0
    let total = 0
    const me = spawn((message) => {
      if (leaves === 1) total = number
      else if (missing === 0) {
        missing = 10
        const part = leaves / 10
        for (let branch = 0; branch < 10; branch += 1) send(node(me, number + branch * part, part), BODY)
        return
      } else {
        missing -= 1
        total += first(message)
      }
      if (missing === 0) {
        send(parent, make(total, 0))
        stopSelf(me)
      }
    })
    return me
  }

  async function skynet(leaves) {
    const { one, wait } = latch(1)
    let total = 0
    const root = spawn((message) => {
      total = first(message)
      one()
    })
    const start = now()
    send(node(root, 0, leaves), BODY)
    await wait()
    const sample = rate(leaves, start)
    assert.equal(total, (leaves * (leaves - 1)) / 2, 'the sum of all leaves')
    return sample
  }

  async function askSequential(count) {
    const actor = spawn(echo)
    for (let number = 0; number < count / 10; number += 1) await ask(actor, BODY)
    const each = new Float64Array(count)
    const start = now()
    for (let number = 0; number < count; number += 1) {
      const before = now()
      await ask(actor, BODY)
      each[number] = now() - before
    }
    return asked(each, start)
  }

  async function askInFlight(count) {
    const actor = spawn(echo)
    const start = now()
    for (let left = count; left > 0; left -= 1_000) {
      await Promise.all(Array.from({ length: 1_000 }, () => ask(actor, BODY)))
    }
    return rate(count, start)
  }

  async function fairness(count) {
    const beats = Math.max(1, Math.floor(count / 5_000))
    const { one, wait } = latch(1)
    const late = lateness(beats * 1_000, one)
    const note = (message) => late.note(first(message), second(message))
    const quiet = Array.from({ length: 1_000 }, () => spawn(note))
    const flooding = flood()
    const flooded = spawn(flooding.handler)
    for (let number = 0; number < count; number += 1) send(flooded, BODY)
    const start = now()
    for (let beat = 0; beat < beats; beat += 1) {
      for (const actor of quiet) send(actor, make(now(), start + beat * 10))
      await sleep(Math.max(0, start + (beat + 1) * 10 - now()))
    }
    flooding.over = true
    await wait()
    return { ...late.sample(), flood_handled: flooding.handled / count }
  }

  async function timers(count) {
    const { one, wait } = latch(1)
    const late = lateness(count, one)
    const note = (message) => late.note(first(message), first(message))
    const actors = Array.from({ length: 1_000 }, () => spawn(note))
    const start = now()
    for (let place = 0; place < count; place += 1) {
      const number = (place * 7_919) % count
      const setAt = now()
      const delay = Math.max(0, Math.ceil(start + 3_000 + (number * 1_000) / count - setAt))
      sendAfter(actors[number % 1_000], delay, make(setAt + delay, 0))
    }
    const seconds = (now() - start) / 1e3
    await wait()
    return { rate: count / seconds, p99_ms: late.sample().p99_ms }
  }

  return {
    W1a: spawnIdle,
    W1b: spawnIdle,
    W2: manyActors(1),
    W2x10: manyActors(10),
    W3: oneProducer,
    W4: twoProducers,
    W5: async (count) => rate(count, await laps(2, count)),
    W6: async (count) => rate(count, await laps(1_000, count / 1_000)),
    W7: skynet,
    W8a: askSequential,
    W8b: askInFlight,
    W10: fairness,
    W12: timers,
  }
}
