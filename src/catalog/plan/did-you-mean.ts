import { displayName, type QualifiedName, type ViewName } from '../../sql/names.ts'
import { nearest } from '../../sql/nearest.ts'

const mostNamed = 3

/**
 * A question to put after the refusal of an unknown view, beginning with a space: whether one of `known` was
 * meant. The same name in other schemas comes first, then the most similar name. Empty if there is none.
 */
export function didYouMean({ schema, name }: ViewName, known: QualifiedName[]): string {
  const named = (wanted: string | undefined) => known.filter((each) => each.name === wanted)
  const sameName = named(name)
  const similar = sameName.length > 0 ? sameName : named(nearest(name, namesOf(known)))
  // Of several, a view of the same schema is the likeliest.
  const meant = similar
    .toSorted((a, b) => Number(b.schema === schema) - Number(a.schema === schema))
    .slice(0, mostNamed)
    .map(displayName)
  return meant.length === 0 ? '' : ` Did you mean ${meant.join(' or ')}?`
}

const namesOf = (views: QualifiedName[]): string[] => views.map(({ name }) => name)
