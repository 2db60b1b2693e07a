import type { LiveView, SwapRights } from '../views/live-view.ts'

/** What stands in the way of a swap, each object by name; empty if nothing does. Pure. */
export function swapRefusals(live: LiveView, rights: SwapRights): string[] {
  const { view, dependents, statistics, grants } = live
  const may = new Set(rights.mayActAs)
  return [
    ...(view.memberOf === null ? [] : [`it belongs to extension ${view.memberOf}`]),
    ...(view.hasSecurityLabel ? ['it has a security label, which only its provider can give'] : []),
    ...(view.isTemporary ? ['it is temporary'] : []),
    ...(view.replicaIdentity === 'index' ? ['its replica identity is an index'] : []),
    ...dependents
      .filter((each) => each.view === null)
      .map(({ description }) => `${description} depends on it`),
    ...(may.has(view.owner) ? [] : [`we may not act as its owner, ${view.owner}`]),
    ...rights.lacks.map(
      ({ role, privilege, schema }) =>
        `${role === view.owner ? `its owner, ${role},` : role} may not ${
          privilege === 'create' ? 'create anything in' : 'look into'
        } schema ${schema}`,
    ),
    ...rights.mayNotSeal.map((role) => `${role} may not use language plpgsql`),
    ...(!rights.inheritsOwner
      ? statistics
          .filter(({ owner }) => owner !== view.owner)
          .map(
            ({ schema, name, owner }) =>
              `statistics ${schema}.${name} belong to ${owner}, and we may not hand new ones over to ${owner}`,
          )
      : []),
    ...unique(dependents.flatMap((each) => (each.view && !may.has(each.view.owner) ? [each.view] : []))).map(
      ({ schema, name, owner }) =>
        `view ${schema}.${name} reads it, and we may not act as its owner, ${owner}`,
    ),
    ...statistics
      .filter(({ owner }) => !may.has(owner))
      .map(
        ({ schema, name, owner }) =>
          `statistics ${schema}.${name} belong to ${owner}, and we may not act as ${owner}`,
      ),
    ...unique(grants.map(({ grantor }) => grantor).filter((grantor) => !may.has(grantor))).map(
      (grantor) => `${grantor} has granted privileges on it, and we may not act as ${grantor}`,
    ),
  ]
}

const unique = <T>(items: T[]): T[] => [...new Set(items)]
