import {
  changingRows,
  lookInto,
  looks,
  maintenance,
  owned,
  reading,
  theView,
  whatTheViewReads,
} from './obstacles.ts'
import { asJson, asked, found, type Obstacle, type Requirement } from './rights.ts'

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

/**
 * A query for what keeps a role from each of the operations. `concurrent` and `swap` is what these need apart from the rights
 * that every refresh needs.
 */
export const abilitiesQuery = (
  oid: number,
  role: string,
  { concurrent, swap }: { concurrent: Requirement[]; swap: Requirement[] },
): string => {
  const refresh = [...looking, maintenance, ...reading]
  const obstacles: Record<(typeof abilities)[number] | 'act', Requirement[]> = {
    act: [owned()],
    refresh,
    concurrent: [...refresh, ...changingRows, ...concurrent],
    swap: [...looking, ...swap, ...reading],
    migrate: [...looking, owned(), ...swap, ...reading],
  }
  const { ctes, columns } = obstaclesByList(obstacles)
  return `
with recursive ${asked(role)}, ${theView(`c.oid = ${oid}`)}, ${whatTheViewReads}, ${ctes}
select ${columns}`
}

/** The same for somebody who is to become a member of the owner, unless a privilege is enough: a member has what the owner has. */
const looking: Requirement[] = [
  { ...owned(), given: `${looks('asked.role')} or v.inherits or v.maintains` },
  lookInto(
    'case when v.maintains and not v.inherits then asked.role else v.relowner end',
    `${looks('asked.role')} or ${looks('v.relowner')} and not (v.maintains and not v.inherits)`,
  ),
]

/**
 * The columns of a query: of each of these lists the obstacles as JSON, of several that one fix removes only the first; and what the
 * query needs for that. A requirement that stands in several lists is looked at once.
 */
const obstaclesByList = (lists: Record<string, Requirement[]>): { ctes: string; columns: string } => {
  const all = new Map(
    Object.values(lists).flatMap((list) => list.map((each) => [JSON.stringify(each), each] as const)),
  )
  const places = [...all.keys()]
  const columns = Object.entries(lists).map(([name, list]) => {
    const order = `array[${list.map((each) => places.indexOf(JSON.stringify(each))).join(', ')}]::integer[]`
    const rows = `select array_position(${order}, x.at) as at, x.because, x.fix from found x where x.at = any (${order})`
    return `${asJson(rows, 'first')} as ${name}`
  })
  return { ctes: found([...all.values()]), columns: columns.join(', ') }
}
