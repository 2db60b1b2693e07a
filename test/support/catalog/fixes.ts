/** Each statement that a message gives to type, and the roles that may execute it; none: only a superuser. */
export function fixesIn(message: string): { statement: string; roles: string[] }[] {
  let roles: string[] = []
  return message.split('\n').flatMap((line) => {
    const givers = /^(?:or, without swap, )?(.+) (?:has|decides whether) to run:$/.exec(line)?.[1]
    if (givers !== undefined) roles = givers.split(' or ').filter((role) => role !== 'a superuser')
    return /^ {2}.*; *$/.test(line) ? [{ statement: line.trim(), roles }] : []
  })
}
