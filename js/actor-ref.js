// ActorRef: one actor of one runtime, as a value to pass around.
'use strict'

class ActorRef {
  #runtime

  constructor(runtime, pid) {
    this.#runtime = runtime
    this.pid = pid
  }

  send(data) {
    return this.#runtime.send(this.pid, data)
  }

  ask(data, options) {
    return this.#runtime.ask(this.pid, data, options)
  }

  stop() {
    return this.#runtime.stop(this.pid)
  }

  get isAlive() {
    return this.#runtime.isAlive(this.pid)
  }
}

module.exports = { ActorRef }
