import { quoteName } from '../names.ts'

/**
 * A right that somebody lacks. Roles and objects are written as in SQL, schemas as in the catalog. Without `to`,
 * the role that asks lacks the right.
 */
export type Right = { to?: string } & (
  | {
      /** To act as this role. */
      membership: string
      /** What the role owns: `materialized view app.sales`. Null if another owner would not help. */
      owned: string | null
    }
  | { privilege: string; schema: string }
  | {
      privilege: string
      /** `table app.orders`, `language plpgsql`. */
      on: string
      /** The role that owns the object; null for an object of the server's own. */
      owner: string | null
    }
)

/** What stands in the way of an operation. `right` is null if no right would help. */
export interface Refusal {
  because: string
  right: Right | null
}

/** The SQL that cures a missing right. */
export interface Cure {
  sql: string
  /** Whether `sql` grants something, or gives an object to another owner. */
  grants: boolean
  /** The role of which `sql` makes somebody a member. */
  membership?: string
  /** The roles that may execute `sql`, besides every superuser. */
  by: string[]
}

/** What stands in the way of an operation, for people, and what cures it. */
export interface Obstacle {
  because: string
  cure: Cure | null
}

/** The operations that the doctor looks at. `migrate` stands for check, freeze and migrate. */
export const abilities = ['refresh', 'concurrent', 'swap', 'migrate'] as const

/**
 * What a role may do with one view: the obstacles of each operation; none if the role may do it. `act`: to act as the
 * owner, which a migration needs even if it makes nothing anew.
 */
export type ViewRights = Pick<RightsFacts, 'view' | 'schema' | 'name' | 'owner'> & {
  act: Obstacle[]
} & Record<(typeof abilities)[number], Obstacle[]>

/** What the catalog says about the rights of a role on one view, and about the rights of the view's owner. */
export interface RightsFacts {
  oid: number
  view: string
  schema: string
  name: string
  owner: string
  populated: boolean
  /** Whether the role has the rights of the owner without `set role`. */
  inheritsOwner: boolean
  /** Whether the role may `set role` to the owner. */
  mayActAsOwner: boolean
  /** Whether the role has `maintain` on the view: then it may refresh the view (from 17 on). */
  mayMaintain: boolean
  /** Whether the role has `usage` on the view's schema. */
  mayLook: boolean
  ownerMayLook: boolean
  uniqueIndexes: { name: string; unusableBecause: string | null }[]
  /** The privileges that the owner lacks: to refresh at all, and to refresh concurrently. */
  ownerLacks: { for: 'refresh' | 'concurrent'; privilege: string; on: string; owner: string | null }[]
}

/** What the catalog says about those who can give rights. Roles are written as in SQL. */
export interface Givers {
  /** The role that asks. */
  role: string
  /** The role that gets what is granted: the asking role, or role `viewkeeper`, of which it is a member. */
  grantee: string
  /** The role to give views to whose owner nobody may become a member of. */
  heir: string
  /** From 16 on, a grant of a membership says what the membership allows. */
  hasMembershipOptions: boolean
  /** By the name of each schema in the catalog: how SQL writes it, and who owns it. */
  schemas: Record<string, { written: string; owner: string }>
  /** By role. */
  roles: Record<
    string,
    {
      isSuperuser: boolean
      /** Whether the role is a member of `grantee`: then `grantee` cannot become a member of it. */
      isMember: boolean
      /** Who may grant membership of the role, besides superusers. */
      admins: string[]
    }
  >
}

/** What a role may do with a view. `swap` is what stands in the way of a swap. Pure. */
export function judgeView(facts: RightsFacts, swap: Refusal[], givers: Givers): ViewRights {
  const { view, schema, name, owner } = facts
  const asOwner = ownerRefusals(facts, givers)
  const look = lookRefusals(facts, asOwner, givers)
  const refresh = [...look, ...(facts.mayMaintain ? [] : asOwner), ...ownerLacks(facts, 'refresh')]
  const obstacles = (refusals: Refusal[]): Obstacle[] =>
    unique(
      refusals.map(({ because, right }) =>
        right === null ? { because, cure: null } : cureOf(right, because, givers),
      ),
    )
  return {
    view,
    schema,
    name,
    owner,
    act: obstacles(asOwner),
    refresh: obstacles(refresh),
    concurrent: obstacles([...refresh, ...concurrentRefusals(facts)]),
    swap: obstacles([...look, ...swap, ...ownerLacks(facts, 'refresh')]),
    migrate: obstacles([...look, ...asOwner, ...swap, ...ownerLacks(facts, 'refresh')]),
  }
}

function ownerRefusals(facts: RightsFacts, { role }: Givers): Refusal[] {
  const { owner, inheritsOwner, mayActAsOwner } = facts
  if (inheritsOwner) return []
  const because = mayActAsOwner
    ? `${role} does not inherit the rights of its owner, ${owner}`
    : `${role} may not act as its owner, ${owner}`
  return [{ because, right: { membership: owner, owned: `materialized view ${quoteName(facts)}` } }]
}

/** Without `usage` on the schema, nothing works. Who inherits from the owner has the owner's. */
function lookRefusals(
  { mayLook, ownerMayLook, mayMaintain, inheritsOwner, owner, schema }: RightsFacts,
  asOwner: Refusal[],
  { role }: Givers,
): Refusal[] {
  const lacks = (who: string, to: { to?: string }): Refusal => ({
    because: `${who} may not look into schema ${schema}`,
    right: { privilege: 'usage', schema, ...to },
  })
  if (mayLook) return []
  if (mayMaintain && !inheritsOwner) return [lacks(role, {})]
  return [...asOwner, ...(ownerMayLook ? [] : [lacks(`its owner, ${owner},`, { to: owner })])]
}

const concurrentRefusals = (facts: RightsFacts): Refusal[] => [
  ...ownerLacks(facts, 'concurrent'),
  ...(facts.populated ? [] : [impossible('it is not populated')]),
  ...(facts.uniqueIndexes.some(({ unusableBecause }) => unusableBecause === null)
    ? []
    : [
        impossible(
          facts.uniqueIndexes
            .map(({ name, unusableBecause }) => `index ${name} ${unusableBecause}`)
            .join('; ') || 'it has no unique index',
        ),
      ]),
]

const impossible = (because: string): Refusal => ({ because, right: null })

const ownerLacks = (facts: RightsFacts, what: 'refresh' | 'concurrent'): Refusal[] =>
  facts.ownerLacks
    .filter((each) => each.for === what)
    .map(({ privilege, on, owner }) => ({
      because: `its owner, ${facts.owner}, lacks ${privilege} on ${on}`,
      right: { privilege, on, to: facts.owner, owner },
    }))

/** The cure of a missing right, and the reason in words if the right itself must not be given. */
function cureOf(right: Right, because: string, givers: Givers): Obstacle {
  const { grantee } = givers
  const grant = (privilege: string, on: string, owner: string | null): Obstacle => ({
    because,
    cure: {
      sql: `grant ${privilege} on ${on} to ${right.to ?? grantee};`,
      grants: true,
      by: owner === null ? [] : [owner],
    },
  })
  if ('on' in right) return grant(right.privilege, right.on, right.owner)
  if ('schema' in right) {
    const schema = givers.schemas[right.schema]
    return grant(right.privilege, `schema ${schema?.written}`, schema?.owner ?? null)
  }
  const { membership, owned } = right
  const { isSuperuser, isMember, admins } = givers.roles[membership] ?? noRole
  if (!isSuperuser && !isMember) {
    const sql = `${membershipGrant(membership, grantee, givers)};`
    return { because, cure: { sql, grants: true, membership, by: admins } }
  }
  const why = isSuperuser
    ? 'a superuser, and nobody should become a member of a superuser'
    : `a member of ${grantee}, so ${grantee} cannot become a member of ${membership}`
  const gives = {
    sql: `alter ${owned} owner to ${givers.heir};`,
    grants: false,
    by: isSuperuser ? [] : [membership],
  }
  return { because: `${because}, who is ${why}`, cure: owned === null ? null : gives }
}

/** Makes a role a member of another, with all that a membership can allow. */
export const membershipGrant = (
  role: string,
  grantee: string,
  { hasMembershipOptions }: Pick<Givers, 'hasMembershipOptions'>,
): string => `grant ${role} to ${grantee}${hasMembershipOptions ? ' with inherit true, set true' : ''}`

const noRole = { isSuperuser: false, isMember: false, admins: [] }

/** Of the obstacles that one cure removes, the first is enough. */
const unique = (obstacles: Obstacle[]): Obstacle[] => {
  const seen = new Set<string>()
  return obstacles.filter(({ because, cure }) => {
    const key = cure?.sql ?? because
    return !seen.has(key) && seen.add(key)
  })
}

/** The cures of everything that is missing, each once. */
export const curesOf = (views: ViewRights[]): Cure[] => [
  ...new Map(
    views
      .flatMap((view) => abilities.flatMap((ability) => view[ability]))
      .flatMap(({ cure }) => (cure === null ? [] : [[cure.sql, cure] as const])),
  ).values(),
]

/** The SQL that is missing, sorted by who can execute it, as lines for people. */
export function cureLines(missing: Cure[]): string[] {
  const byGiver = Map.groupBy(missing, ({ by }) => [...by, 'a superuser'].join(' or '))
  return [...byGiver].flatMap(([givers, cures]) => [
    '',
    `${givers} has to run:`,
    ...cures.map(({ sql }) => `  ${sql}`),
  ])
}

/** What `owner` lacks to own a new view in a schema. */
export const newViewObstacles = (
  owner: string,
  schema: string,
  lacks: string[],
  givers: Givers,
): Obstacle[] =>
  lacks.map((privilege) =>
    cureOf(
      { privilege, schema, to: owner },
      `${owner}, who will own it, lacks ${privilege} on schema ${schema}`,
      givers,
    ),
  )
