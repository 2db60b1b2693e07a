import type { View } from '../../../src/edge/http/schemas/answers.ts'
import { reached } from '../../../src/plan/walks.ts'

/** All that read a view, directly or through other views, the nearest first. */
export function readersOf(view: string, views: Pick<View, 'view' | 'neededBy'>[]): string[] {
  const neededBy = new Map(views.map((each) => [each.view, each.neededBy]))
  return [...reached([view], (each) => neededBy.get(each) ?? [])].slice(1)
}
