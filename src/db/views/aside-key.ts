import { randomInt } from 'node:crypto'

/**
 * Digits for the names of a view's twin: the OID, and more that nobody can guess. Whoever may create in the schema or the
 * database could else take the names first, and no swap would succeed.
 */
export const asideKey = (oid: number): string => `${oid}${String(randomInt(1e7)).padStart(7, '0')}`
