/**
 * Whether a pattern matches a whole text: `*` matches any number of characters, `?` exactly one. The time is
 * at most proportional to the product of the two lengths, for every pattern.
 */
export function matchesGlob(pattern: string, text: string): boolean {
  let at = 0
  let inText = 0
  let star = -1
  let starredUntil = 0
  while (inText < text.length) {
    if (pattern[at] === '*') {
      star = at++
      starredUntil = inText
    } else if (pattern[at] === '?' || pattern[at] === text[inText]) {
      at++
      inText++
    } else if (star >= 0) {
      at = star + 1
      inText = ++starredUntil
    } else return false
  }
  while (pattern[at] === '*') at++
  return at === pattern.length
}
