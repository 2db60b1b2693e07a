import { displayName, displayPart, quoteName } from '../names.ts'
import type { Refusal, Right } from '../rights.ts'
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
    ...(may.has(view.owner)
      ? []
      : [
          missing(`${role} may not act as its owner, ${view.owner}`, {
            membership: view.owner,
            owned: itself,
          }),
        ]),
    ...rights.lacks.map((lack) => placeRefusal(lack, view.owner)),
    ...rights.mayNotSeal.map((sealer) =>
      missing(`${sealer} may not use language plpgsql`, {
        privilege: 'usage',
        on: 'language plpgsql',
        to: sealer,
        owner: null,
      }),
    ),
    ...(!rights.inheritsOwner
      ? statistics
          .filter(({ owner }) => owner !== view.owner)
          .map(({ schema, name, owner }) =>
            missing(
              `statistics ${displayName({ schema, name })} belong to ${owner}, and ${role} may not hand new ones over to ${owner}`,
              { membership: view.owner, owned: itself },
            ),
          )
      : []),
    ...unique(dependents.flatMap((each) => (each.view && !may.has(each.view.owner) ? [each.view] : []))).map(
      (plain) =>
        missing(`view ${displayName(plain)} reads it, and ${role} may not act as its owner, ${plain.owner}`, {
          membership: plain.owner,
          owned: { kind: 'view', name: plain },
        }),
    ),
    ...dependents.flatMap(({ description, again }) =>
      again === null || may.has(again.owner)
        ? []
        : [
            missing(`${description} reads it, and ${role} may not act as its owner, ${again.owner}`, {
              membership: again.owner,
              owned: again.owned,
            }),
          ],
    ),
    ...statistics
      .filter(({ owner }) => !may.has(owner))
      .map((each) =>
        missing(
          `statistics ${displayName(each)} belong to ${each.owner}, and ${role} may not act as ${each.owner}`,
          {
            membership: each.owner,
            owned: `statistics ${quoteName(each)}`,
          },
        ),
      ),
    ...unique(grants.map(({ grantor }) => grantor).filter((grantor) => !may.has(grantor))).map((grantor) =>
      missing(`${grantor} has granted privileges on it, and ${role} may not act as ${grantor}`, {
        membership: grantor,
        owned: null,
      }),
    ),
  ]
}

/** What stands in the way of making something in a schema. */
export const placeRefusal = (
  { role, privilege, schema }: SwapRights['lacks'][number],
  owner?: string,
): Refusal =>
  missing(
    `${role === owner ? `its owner, ${role},` : role} may not ${
      privilege === 'create' ? 'create anything in' : 'look into'
    } schema ${displayPart(schema)}`,
    { privilege, schema, to: role },
  )

const impossible = (because: string): Refusal => ({ because, right: null })

const missing = (because: string, right: Right): Refusal => ({ because, right })

const unique = <T>(items: T[]): T[] => [...new Set(items)]
