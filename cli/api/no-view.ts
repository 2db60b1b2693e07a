import type { View } from '../../src/edge/http/schemas/answers.ts'
import { isGlob } from '../../src/plan/glob.ts'
import { parseName } from '../../src/plan/names.ts'
import { didYouMean } from '../../src/plan/views/meant.ts'
import { Problem } from '../../src/problem.ts'

/** No view has this name, or fits this glob: with the name that was probably meant. */
export function noView(pattern: string, views: View[]): Problem {
  const meant = isGlob(pattern) ? '' : didYouMean(parseName(pattern), views)
  return new Problem('UnknownView', `No view ${isGlob(pattern) ? 'fits' : 'is called'} ${pattern}.${meant}`, {
    field: 'pattern',
  })
}
