import type { View } from '../../src/api/answers.ts'
import { Problem } from '../../src/problem.ts'
import { isGlob } from '../../src/sql/glob.ts'
import { parseName } from '../../src/sql/names.ts'
import { didYouMean } from '../../src/sql/nearest.ts'

/** No view has this name, or fits this glob: with the name that was probably meant. */
export function noView(pattern: string, views: View[]): Problem {
  const meant = isGlob(pattern) ? '' : didYouMean(parseName(pattern), views)
  return new Problem('UnknownView', `No view ${isGlob(pattern) ? 'fits' : 'is called'} ${pattern}.${meant}`, {
    field: 'pattern',
  })
}
