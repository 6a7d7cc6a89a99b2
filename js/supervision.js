// Supervision: supervisors, factories of replacements, children that are restarted in place, supervisors of paths.
'use strict'

const args = require('./arguments.js')
const { invalid } = require('./errors.js')
const { core } = require('./key.js')

const STRATEGY_DEFAULT = 'RestartOne'

/** Replaces `pid` under this supervisor by what the factory makes. */
function supervise(runtime, supervisor, pid, factory, strategy) {
  args.callable(factory, 'factory')
  args.textOf(strategy, 'strategy')
  const { factories, native } = runtime[core]
  native.supervise(supervisor, args.pidOf(pid), factories.add(factory), strategy)
}

const supervision = {
  watch(pid, strategy = STRATEGY_DEFAULT) {
    const { native } = this[core]
    native.watch(native.rootSupervisor(), args.pidOf(pid), args.textOf(strategy, 'strategy'))
  },

  watchPath(prefix) {
    for (const { pid } of this.listChildrenDirect(prefix)) this.watch(pid)
  },

  superviseWithFactory(pid, factory, strategy = STRATEGY_DEFAULT) {
    supervise(this, this[core].native.rootSupervisor(), pid, factory, strategy)
  },

  unsupervise(pid) {
    return this[core].native.unsupervise(args.pidOf(pid))
  },

  rootSupervisor() {
    return this[core].native.rootSupervisor()
  },

  childPids(supervisor) {
    const { native } = this[core]
    return native.childPids(args.optionalPid(supervisor, 'supervisor') ?? native.rootSupervisor())
  },

  childrenCount(supervisor) {
    return this.childPids(supervisor).length
  },

  spawnSupervisor(options) {
    const { strategy, intensity, period, backoff, supervisor } = args.optionsOf(options)
    const choices = {
      strategy: args.optionalText(strategy, 'strategy'),
      intensity: args.optionalCount(intensity, 'intensity', 0),
      supervisor: args.optionalPid(supervisor, 'supervisor'),
    }
    if (period !== undefined) choices.period = secondsOf(period, 'period')
    if (backoff !== undefined) {
      if (!Array.isArray(backoff) || backoff.length !== 2) {
        throw invalid(`backoff must be [shortest, longest] in seconds, not ${args.show(backoff)}`)
      }
      choices.backoffMin = secondsOf(backoff[0], 'backoff')
      choices.backoffMax = secondsOf(backoff[1], 'backoff')
    }
    const pid = this[core].native.spawnSupervisor(choices)
    this[core].hold()
    return pid
  },

  startChild(supervisor, makeHandler, options) {
    args.callable(makeHandler, 'makeHandler')
    const { restart = 'permanent', budget, name, path, kind = 'push' } = args.optionsOf(options)
    const choices = {
      supervisor: args.pidOf(supervisor, 'supervisor'),
      restart: args.textOf(restart, 'restart'),
      budget: args.budgetOf(budget),
      name: args.optionalText(name, 'name'),
      path: args.optionalText(path, 'path'),
    }
    if (kind !== 'push' && kind !== 'pull') throw invalid(`kind must be push or pull, not ${args.show(kind)}`)
    const { functions, handlers, native, pulls } = this[core]
    const handler = made(makeHandler)
    if (kind === 'pull') return pulls.spawn(handler, choices, makeHandler)
    const pid = native.spawnMade(handlers.own(handler), functions.own(makeHandler), choices)
    this[core].hold()
    return pid
  },

  createPathSupervisor(path) {
    return this[core].native.createPathSupervisor(args.textOf(path, 'path'))
  },

  removePathSupervisor(path) {
    return this[core].native.removePathSupervisor(args.textOf(path, 'path'))
  },

  pathSupervisorWatch(path, pid) {
    const { native } = this[core]
    native.watch(native.pathSupervisor(args.textOf(path, 'path')), args.pidOf(pid), STRATEGY_DEFAULT)
  },

  pathSupervisorChildren(path) {
    const { native } = this[core]
    return native.childPids(native.pathSupervisor(args.textOf(path, 'path')))
  },

  pathSuperviseWithFactory(path, pid, factory, strategy = STRATEGY_DEFAULT) {
    const supervisor = this[core].native.pathSupervisor(args.textOf(path, 'path'))
    supervise(this, supervisor, pid, factory, strategy)
  },
}

/** The handler a maker makes. */
function made(makeHandler) {
  return args.callable(args.notPromised(makeHandler(), 'makeHandler'), 'what makeHandler returns')
}

function secondsOf(value, what) {
  const milliseconds = args.timeoutOf(value, what)
  if (milliseconds === undefined) throw invalid(`${what} must be a number of seconds, not ${args.show(value)}`)
  return milliseconds / 1000
}

module.exports = { made, supervision }
