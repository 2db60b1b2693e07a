import { displayName, displayPart, unquoted } from '../../sql/names.ts'
import { describeGrant } from './grants.ts'
import type { Grant, LiveView } from './live-view.ts'

/** What may differ between what is authored, what is frozen and what is live. */
export type DifferenceKind =
  | 'query'
  | 'column'
  | 'index'
  | 'comment'
  | 'grant'
  | 'owner'
  | 'dependsOn'
  | 'missing'
  | 'unpopulated'
  | 'unmanaged'
  | 'unfrozen'
  | 'unauthored'
  | 'unapplied'
  | 'unreadable'

/** One difference, in words for the person who has to resolve it. */
export interface Difference {
  /** The view's name for people: `app.sales`. */
  view: string
  kind: DifferenceKind
  message: string
}

/**
 * How a live view differs from its definition. `shadow` is the definition as the same server has read it (see
 * `readShadow`). Privileges of the owner, and those that the owner's default privileges give, are no
 * difference. Pure.
 */
export function liveDifferences(live: LiveView, shadow: LiveView): Difference[] {
  const view = displayName(live.view)
  const differs = (kind: DifferenceKind) => (message: string) => ({ view, kind, message })
  return [
    ...(live.view.definition === shadow.view.definition
      ? []
      : [differs('query')('its query is not the frozen one')]),
    ...columnDifferences(live, shadow).map(differs('column')),
    ...indexDifferences(live, shadow).map(differs('index')),
    ...(live.view.comment === shadow.view.comment
      ? []
      : [
          differs('comment')(
            `its comment is ${quoted(live.view.comment)}, and frozen as ${quoted(shadow.view.comment)}`,
          ),
        ]),
    ...grantDifferences(live, shadow).map(differs('grant')),
  ]
}

/** How the owner of a live view differs from its definition, which may name none. Pure. */
export const ownerDifferences = ({ view }: LiveView, owner: string | null): Difference[] =>
  owner === null || unquoted(view.owner) === owner
    ? []
    : [
        {
          view: displayName(view),
          kind: 'owner',
          message: `it belongs to ${unquoted(view.owner)}, and is frozen as that of ${owner}`,
        },
      ]

/** Whether a view must be rebuilt to become like `shadow`, because its query or its columns differ. */
export const needsRebuild = (live: LiveView, shadow: LiveView): boolean =>
  live.view.definition !== shadow.view.definition || columnDifferences(live, shadow).length > 0

function columnDifferences(live: LiveView, shadow: LiveView): string[] {
  const typeIn = ({ columns }: LiveView) => new Map(columns.map(({ name, type }) => [name, type]))
  const [is, was] = [typeIn(live), typeIn(shadow)]
  const differences = [
    ...[...was].flatMap(([name, type]) => {
      const found = is.get(name)
      if (found === undefined) return [`it lacks column ${displayPart(name)}`]
      return found === type ? [] : [`its column ${displayPart(name)} is ${found}, and frozen as ${type}`]
    }),
    ...[...is.keys()]
      .filter((name) => !was.has(name))
      .map((name) => `it has column ${displayPart(name)}, which is not frozen`),
  ]
  const sameOrder = [...is.keys()].join() === [...was.keys()].join()
  return differences.length > 0 || sameOrder ? differences : ['its columns come in another order']
}

function indexDifferences(live: LiveView, shadow: LiveView): string[] {
  const is = new Map(live.indexes.map((index) => [index.name, index]))
  const frozen = new Set(shadow.indexes.map(({ name }) => name))
  return [
    ...shadow.indexes.flatMap((index) => {
      const found = is.get(index.name)
      if (found === undefined) return [`it lacks index ${displayPart(index.name)}`]
      return sameIndex(found, index)
        ? []
        : [
            `its index ${displayPart(index.name)} is ${describeIndex(found)}, and frozen as ${describeIndex(index)}`,
          ]
    }),
    ...[...is.keys()]
      .filter((name) => !frozen.has(name))
      .map((name) => `it has index ${displayPart(name)}, which is not frozen`),
  ]
}

type Index = LiveView['indexes'][number]

export const sameIndex = (a: Index, b: Index): boolean =>
  a.unique === b.unique && a.rest.trim() === b.rest.trim()

const describeIndex = ({ unique, rest }: Index): string => `${unique ? 'unique ' : ''}${rest.trim()}`

function grantDifferences(live: LiveView, shadow: LiveView): string[] {
  const frozen = authoredGrants(shadow)
  const usual = live.defaultGrants.filter(({ grantor }) => grantor === live.view.owner)
  return [
    ...frozen
      .filter((grant) => !live.grants.some(sameGrant(grant)))
      .map((grant) => `it lacks the grant of ${describeWhole(grant)}`),
    ...authoredGrants(live)
      .filter((grant) => !usual.some(covers(grant)) && !frozen.some(sameGrant(grant)))
      .map((grant) => `${describeWhole(grant)} is granted, which is not frozen`),
  ]
}

/** The view's grants without those to its owner: an owner has privileges anyway. */
export const authoredGrants = ({ view, grants }: LiveView): Grant[] =>
  grants.filter(({ grantee }) => grantee !== view.owner)

/** Whether two grants are the same. Their grantors may differ. */
export const sameGrant =
  (a: Grant) =>
  (b: Grant): boolean =>
    a.privilege === b.privilege &&
    a.column === b.column &&
    a.grantee === b.grantee &&
    a.grantable === b.grantable

/** Whether a default privilege gives a grant. The grant option may be missing: somebody has revoked it. */
const covers =
  (grant: Grant) =>
  (usual: Grant): boolean =>
    sameGrant(grant)({ ...usual, grantable: usual.grantable && grant.grantable })

const describeWhole = (grant: Grant): string =>
  `${describeGrant(grant)}${grant.grantable ? ' with grant option' : ''}`

const quoted = (text: string | null): string => (text === null ? 'none' : JSON.stringify(text))

/** Why a view is not compared by who may not act as its owner, with what is missing if the catalog shows that. */
export const notCompared = (owner: string, missing: string | null): string =>
  missing === null
    ? `it cannot be compared: we may not act as its owner, ${owner}`
    : `it cannot be compared. ${missing}`
