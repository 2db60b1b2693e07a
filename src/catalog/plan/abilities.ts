import { literal } from '../../sql/names.ts'
import {
  changingRows,
  lookInto,
  looks,
  maintenance,
  owned,
  reading,
  theView,
  whatIsRead,
} from './obstacles.ts'
import { asked, found, type Obstacle, type Requirement } from './rights.ts'

/** The operations that the doctor looks at. `migrate` stands for check, freeze and migrate. */
export const abilities = ['refresh', 'concurrent', 'swap', 'migrate'] as const

/**
 * What a role may do with one view: the obstacles of each operation; none if the role may do it. `act`: to act as the
 * owner, which a migration needs even if it makes nothing anew.
 */
export interface ViewRights extends Record<(typeof abilities)[number] | 'act', Obstacle[]> {
  view: string
  schema: string
  name: string
  owner: string
}

/** What keeps a role from any of the operations. */
export const obstaclesIn = (views: ViewRights[]): Obstacle[] =>
  views.flatMap((view) => abilities.flatMap((ability) => view[ability]))

/** A view, and what a concurrent refresh and a swap of it need apart from the rights that every refresh needs. */
interface Needs {
  oid: number
  concurrent: Requirement[]
  swap: Requirement[]
}

/** What is in the way: of this view, or, without one, of each whose operations need what is lacking. */
export type FoundObstacle = Obstacle & { at: number; view: number | null }

/** A query for what keeps a role from the operations on views (`Found`), and how its rows are the obstacles of each operation on each view. */
export function abilitiesQuery(
  views: Needs[],
  role: string,
): {
  query: string
  rights(found: FoundObstacle[]): Record<(typeof abilities)[number] | 'act', Obstacle[]>[]
} {
  const places = new Map<string, number>()
  const all: Requirement[] = []
  const placeOf = (requirement: Requirement): number => {
    const key = JSON.stringify(requirement)
    const at = places.get(key) ?? all.push(requirement) - 1
    places.set(key, at)
    return at
  }
  const needs = views.map(({ oid, concurrent, swap }) => ({
    oid,
    act: [owned()].map(placeOf),
    refresh: refreshing.map(placeOf),
    concurrent: [...refreshing, ...changingRows, ...concurrent].map(placeOf),
    swap: [...looking, ...swap, ...reading].map(placeOf),
    migrate: [...looking, owned(), ...swap, ...reading].map(placeOf),
  }))
  const oids = views.map(({ oid }) => oid).join(', ')
  return {
    query: `
with recursive ${asked(literal(role), literal(role))}, ${theView(`c.oid in (${oids})`)}, ${whatIsRead(true)}, ${found(all, true)}
select at, view::int8 as view, because, fix from found order by because`,
    rights(found) {
      const byPlace = Map.groupBy(found, ({ at }) => at)
      return needs.map(({ oid, ...lists }) => {
        const inWay = (list: number[]) =>
          firstOfEachFix(
            list.flatMap((at) => byPlace.get(at) ?? []).filter(({ view }) => view === null || view === oid),
          )
        const { act, refresh, concurrent, swap, migrate } = lists
        return {
          act: inWay(act),
          refresh: inWay(refresh),
          concurrent: inWay(concurrent),
          swap: inWay(swap),
          migrate: inWay(migrate),
        }
      })
    },
  }
}

/** Of several that one fix removes only the first. */
const firstOfEachFix = (found: FoundObstacle[]): Obstacle[] =>
  [
    ...new Map(
      found.toReversed().map(({ because, fix }) => [fix?.sql ?? because, { because, fix }] as const),
    ).values(),
  ].toReversed()

/** The same for somebody who is to become a member of the owner, unless a privilege is enough: a member has what the owner has. */
const looking: Requirement[] = [
  { ...owned(), given: `${looks('asked.role')} or v.inherits or v.maintains` },
  lookInto(
    'case when v.maintains and not v.inherits then asked.role else v.relowner end',
    `${looks('asked.role')} or ${looks('v.relowner')} and not (v.maintains and not v.inherits)`,
  ),
]

const refreshing = [...looking, maintenance, ...reading]
