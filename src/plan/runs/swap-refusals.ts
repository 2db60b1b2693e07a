import { displayName, displayPart, quoteName } from '../names.ts'
import type { Owned, Refusal } from '../rights.ts'
import type { LiveView, SwapRights } from '../views/live-view.ts'
import { isUnreadable, unreadableClause } from '../views/server-sql.ts'

/** Whether a materialized view reads this one, so that a swap has to rebuild both. */
export const isReadByViews = ({ dependents }: LiveView): boolean =>
  dependents.some(({ reader, view }) => reader !== null && view === null)

/** What stands in the way of a swap, each object by name; empty if nothing does. Pure. */
export function swapRefusals(live: LiveView, rights: SwapRights): Refusal[] {
  const { view, dependents, statistics, grants } = live
  const { role } = rights
  const may = new Set(rights.mayActAs)
  const itself = { kind: 'materialized view', name: view }
  const actsAs = (membership: string, owned: Owned, because: string): Refusal[] =>
    may.has(membership) ? [] : [{ because, right: { membership, owned } }]
  return [
    ...(view.memberOf === null ? [] : [impossible(`it belongs to extension ${view.memberOf}`)]),
    ...(view.hasSecurityLabel
      ? [impossible('it has a security label, which only its provider can give')]
      : []),
    ...(view.isTemporary ? [impossible('it is temporary')] : []),
    ...(view.replicaIdentity === 'index' ? [impossible('its replica identity is an index')] : []),
    ...(isUnreadable(view.definition) ? [impossible(`its query has ${unreadableClause}`)] : []),
    ...dependents
      .filter((each) => isUnreadable(each.view?.definition ?? each.again?.sql ?? ''))
      .map(({ description }) => impossible(`${description}, which reads it, has ${unreadableClause}`)),
    ...dependents
      .filter((each) => each.view === null && each.again === null)
      .map(({ description }) => impossible(`${description} depends on it`)),
    ...actsAs(view.owner, itself, `${role} may not act as its owner, ${view.owner}`),
    ...rights.lacks.map((lack) => placeRefusal(lack, view.owner)),
    ...rights.mayNotSeal.map((sealer) => ({
      because: `${sealer} may not use language plpgsql`,
      right: { privilege: 'usage', on: 'language plpgsql', to: sealer, owner: null },
    })),
    ...statistics
      .filter(({ owner }) => !rights.inheritsOwner && owner !== view.owner)
      .map((each) => ({
        because: `statistics ${displayName(each)} belong to ${each.owner}, and ${role} may not hand new ones over to ${each.owner}`,
        right: { membership: view.owner, owned: itself },
      })),
    ...dependents.flatMap(({ view: plain }) => {
      if (plain === null) return []
      const owned = { kind: 'view', name: plain }
      return actsAs(
        plain.owner,
        owned,
        `view ${displayName(plain)} reads it, and ${role} may not act as its owner, ${plain.owner}`,
      )
    }),
    ...dependents.flatMap(({ description, again }) =>
      again === null
        ? []
        : actsAs(
            again.owner,
            again.owned,
            `${description} reads it, and ${role} may not act as its owner, ${again.owner}`,
          ),
    ),
    ...statistics.flatMap((each) =>
      actsAs(
        each.owner,
        `statistics ${quoteName(each)}`,
        `statistics ${displayName(each)} belong to ${each.owner}, and ${role} may not act as ${each.owner}`,
      ),
    ),
    ...[...new Set(grants.map(({ grantor }) => grantor))].flatMap((grantor) =>
      actsAs(grantor, null, `${grantor} has granted privileges on it, and ${role} may not act as ${grantor}`),
    ),
  ]
}

/** What stands in the way of making something in a schema. */
export const placeRefusal = (
  { role, privilege, schema }: SwapRights['lacks'][number],
  owner?: string,
): Refusal => ({
  because: `${role === owner ? `its owner, ${role},` : role} may not ${
    privilege === 'create' ? 'create anything in' : 'look into'
  } schema ${displayPart(schema)}`,
  right: { privilege, schema, to: role },
})

const impossible = (because: string): Refusal => ({ because, right: null })
