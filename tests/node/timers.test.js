// Timers: messages sent later.
'use strict'

const { closeAll, collector, eventually, open } = require('./helpers.js')

afterEach(closeAll)

test('timer_fires_after', async () => {
  const rt = open()
  const { pid, got } = collector(rt)
  const before = performance.now()
  const ids = [rt.sendAfter(pid, 40, 'late'), rt.sendAfter(pid, 20, 'early'), rt.sendAfter(pid, 0, 'now')]
  expect(new Set(ids).size).toBe(3)
  await eventually(() => got.length === 3, 'the timers')
  expect(performance.now() - before).toBeGreaterThanOrEqual(39)
  expect(got).toEqual(['now', 'early', 'late'])
})

test('timer_repeats', async () => {
  const rt = open()
  const { pid, got } = collector(rt)
  const id = rt.sendInterval(pid, 5, 'tick')
  await eventually(() => got.length >= 3, 'three ticks')
  expect(rt.cancelTimer(id)).toBe(true)
  expect(rt.cancelTimer(id)).toBe(false)
})

test('timer_is_cancelled', async () => {
  const rt = open()
  const { pid, got } = collector(rt)
  const id = rt.sendAfter(pid, 10, 'never')
  const marker = rt.sendAfter(pid, 30, 'marker')
  expect(rt.cancelTimer(id)).toBe(true)
  expect(rt.cancelTimer(id)).toBe(false)
  await eventually(() => got.length > 0, 'the marker')
  expect(got).toEqual(['marker'])
  expect(rt.cancelTimer(marker)).toBe(false)
})

test('timer_ends_with_actor', async () => {
  const rt = open()
  const { pid } = collector(rt)
  const id = rt.sendInterval(pid, 1, 'tick')
  rt.sendAfter(pid, 60_000, 'late')
  expect(rt.stats().timers).toBe(2)
  rt.stop(pid)
  await eventually(() => rt.stats().timers === 0, 'the timers to go')
  expect(rt.cancelTimer(id)).toBe(false)
})

test('bad delays and targets are refused', () => {
  const rt = open()
  const { pid } = collector(rt)
  for (const delay of [-1, NaN, '7', undefined]) {
    expect(() => rt.sendAfter(pid, delay, 'x')).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
  }
  expect(() => rt.sendInterval(pid, 0, 'x')).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
  expect(() => rt.sendAfter(4711, 1, 'x')).toThrow(expect.objectContaining({ code: 'NoProcess' }))
  expect(() => rt.sendAfter(pid, 1, 7)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
})

test('a hundred thousand timers fire', async () => {
  const rt = open()
  let fired = 0
  const pid = rt.spawn(() => void fired++)
  for (let index = 0; index < 100_000; index++) rt.sendAfter(pid, index % 200, 'x')
  await eventually(() => fired === 100_000, 'all timers')
})
