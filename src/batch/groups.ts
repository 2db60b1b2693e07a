// What only a batch needs that rebuilds views together. It is loaded when there is a group.
export { decideGroups } from './decide-groups.ts'
export { prepareExchange } from './exchange.ts'
export { prepareInPlace } from './in-place.ts'
export { planShadow } from './plan-shadow.ts'
