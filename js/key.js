// Key: the property under which a NodeRuntime keeps its Core, known to this folder alone.
'use strict'

module.exports = { core: Symbol('iris.core') }
