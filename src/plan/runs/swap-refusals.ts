import { displayName, displayPart, quoteName } from '../names.ts'
import type { LiveView, SwapRights } from '../views/live-view.ts'
import type { Refusal, Right } from '../views/rights.ts'
import { isUnreadable, unreadableClause } from '../views/server-sql.ts'

/** What stands in the way of a swap, each object by name; empty if nothing does. Pure. */
export const swapRefusals = (live: LiveView, rights: SwapRights): string[] =>
  swapObstacles(live, rights).map(({ because }) => because)

/** Whether a materialized view reads this one, so that a swap has to rebuild both. */
export const isReadByViews = ({ dependents }: LiveView): boolean =>
  dependents.some(({ reader, view }) => reader !== null && view === null)

/** The same for `role`, with the right that is missing, if it is a right. */
export function swapObstacles(live: LiveView, rights: SwapRights, role = 'we'): Refusal[] {
  const { view, dependents, statistics, grants } = live
  const may = new Set(rights.mayActAs)
  const itself = `materialized view ${quoteName(view)}`
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
    ...rights.lacks.map(({ role: maker, privilege, schema }) =>
      missing(
        `${maker === view.owner ? `its owner, ${maker},` : maker} may not ${
          privilege === 'create' ? 'create anything in' : 'look into'
        } schema ${displayPart(schema)}`,
        { privilege, schema, to: maker },
      ),
    ),
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
          owned: `view ${quoteName(plain)}`,
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

const impossible = (because: string): Refusal => ({ because, right: null })

const missing = (because: string, right: Right): Refusal => ({ because, right })

const unique = <T>(items: T[]): T[] => [...new Set(items)]
