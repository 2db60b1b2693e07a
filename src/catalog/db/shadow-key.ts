/**
 * Digits for the names of a view's shadow: the OID (0 if there is no view yet), and more that nobody can guess. A role that
 * may create in the schema or the database could otherwise take the names first, and no swap would succeed.
 */
export function shadowKey(oid: number): string {
  const [random = 0] = crypto.getRandomValues(new Uint32Array(1))
  return `${oid}${String(random % 1e7).padStart(7, '0')}`
}
