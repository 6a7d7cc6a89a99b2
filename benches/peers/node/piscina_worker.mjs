// Piscina's worker: answers each task with what it got.
export default (message) => message
