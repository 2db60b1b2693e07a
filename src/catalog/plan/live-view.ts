import type { Seal } from '../../sql/run-plan.ts'
import { parentsFirst as inOrder } from '../../sql/walks.ts'

/** The kinds in the words of SQL: `view` is a plain view, `table` an incremental table (see sql/names.ts). */
export type ViewKind = 'materialized view' | 'view' | 'table'

/**
 * A view and everything that depends on it or belongs to it, read from the catalog as one document. It is read with `safePath`,
 * so each name outside the catalog has its schema. A later hash that differs means that something has changed.
 */
export interface LiveView {
  view: {
    kind: ViewKind
    schema: string
    name: string
    owner: string
    /** Null for a plain view. */
    accessMethod: string | null
    tablespace: string | null
    /** `name=value` each, as in pg_class. */
    options: string[]
    toastOptions: string[]
    replicaIdentity: 'default' | 'full' | 'nothing' | 'index'
    /** The query, without a semicolon. */
    definition: string
    /** The search path on which the server reads the definition, and the expressions of indexes and statistics objects. */
    path: string
    /** The hash of the query's meaning (`meaningQuery`); absent where nothing compares it. */
    meaning?: string
    comment: string | null
    /** Extensions, as in `alter materialized view … depends on extension`. */
    extensions: string[]
    /** The extension that the view is part of. */
    memberOf: string | null
    hasSecurityLabel: boolean
    isTemporary: boolean
  }
  columns: {
    name: string
    /** As SQL writes it: `numeric(10,2)`. */
    type: string
    statistics: number | null
    options: string[]
    /** Null if the column's storage is the type's own. */
    storage: string | null
    compression: string | null
    /** The expression that a plain view's column has as its default. */
    default: string | null
    comment: string | null
  }[]
  indexes: {
    name: string
    unique: boolean
    /** What follows `create [unique] index name on view`: `using btree (a) where …`. */
    rest: string
    /** Whether `rest` has expressions or a condition: SQL of others, which the server has to parse. */
    hasExpressions: boolean
    tablespace: string | null
    /** Columns whose compression was set on the index later, although it stores another type than they have, as GIN does; null: none. */
    compressed?: string[] | null
    clustered: boolean
    comment: string | null
    statistics: { column: number; target: number }[]
    extensions: string[]
  }[]
  statistics: {
    schema: string
    name: string
    owner: string
    /** The text between `create statistics name` and `from view`: `(ndistinct) on a, b`. */
    middle: string
    hasExpressions: boolean
    target: number | null
    comment: string | null
  }[]
  /** The triggers of a plain view. */
  triggers: Attached[]
  /** The rules of a plain view, without the one that is its query. */
  rules: Attached[]
  /** The grants in effect: those in the catalog, or the default. */
  grants: Grant[]
  /** True if `relacl` is null: nobody has ever granted or revoked anything on the whole view. */
  untouchedGrants: boolean
  /** The grants that a new relation of the owner in this schema gets by the owner's default privileges. */
  defaultGrants: DefaultGrant[]
  dependents: Dependent[]
}

/** Roles are written as SQL writes them, `public` unquoted. */
export interface Grant {
  column: string | null
  grantor: string
  grantee: string
  privilege: string
  grantable: boolean
}

/** A grant by default privileges: those of one schema, or those that hold `everywhere`. */
type DefaultGrant = Grant & { everywhere: boolean }

/** A trigger or a rule. */
interface Attached {
  name: string
  /** The whole statement that makes it, without a semicolon. */
  definition: string
  /** As in the catalog: `O`, `D`, `R` or `A`. */
  enabled: string
  comment: string | null
}

/** An object that depends on the view. `view` is set if it is the query of a plain view. */
interface Dependent {
  description: string
  /** The OID of the view, plain or materialized, if the object is the query of a view. */
  reader: number | null
  /** The OID of the relation of a rule, if the object is a rule that is not the query of a view. */
  ruleOf: number | null
  view: PlainReader | null
}

/** A plain view whose query reads the view. */
export interface PlainReader {
  oid: number
  schema: string
  name: string
  owner: string
  options: string[]
  definition: string
  path: string
}

/** A live view as it was read at one moment. */
export interface ViewSnapshot {
  live: LiveView
  /** The hash of the live view. `liveViewHashQuery` returns the same hash until something changes. */
  hash: string
  /** The hash without the privileges on the view. */
  hashWithoutGrants: string
}

/** The objects that `drop … cascade` would drop with a view, as people name them: `view app.top`. */
export const dependentsOf = ({ dependents }: LiveView): string[] => [
  ...new Set(dependents.map(({ description }) => description)),
]

/**
 * The live view as it will be once another role owns it. The server replaces the old owner by the new one in each grant on
 * the view. Statistics objects of the old owner get the new owner, too.
 */
export function ownedBy(live: LiveView, owner: string): LiveView {
  const old = live.view.owner
  if (owner === old) return live
  const heir = (role: string) => (role === old ? owner : role)
  const grants = live.grants.map((grant) => ({
    ...grant,
    grantor: heir(grant.grantor),
    grantee: heir(grant.grantee),
  }))
  const inherited = Map.groupBy(grants, ({ column, grantor, grantee, privilege }) =>
    JSON.stringify([column, grantor, grantee, privilege]),
  )
  return {
    ...live,
    view: { ...live.view, owner },
    statistics: live.statistics.map((each) => ({ ...each, owner: heir(each.owner) })),
    grants: [...inherited.values()].map((same) => ({
      ...(same[0] as Grant),
      grantable: same.some(({ grantable }) => grantable),
    })),
  }
}

/** What the catalog says about one view at one moment: all that planning an operation needs. */
export interface ViewFacts {
  oid: number
  /** Digits that make the names of a shadow unique: see `shadowKey`. Each look has others. */
  shadowKey: string
  schema: string
  name: string
  /** The name as SQL writes it, quoted only if it must be: `public.sales`. */
  view: string
  /** The owner, as SQL writes the role. */
  owner: string
  populated: boolean
  /** The name of its first column; null if it has none. */
  firstColumn: string | null
  /** The OID of the plain view with its query, if it is an incremental table; else null. */
  query: number | null
  /** Whether our login has the owner's rights, and so may `alter` the view. Privilege `maintain` (17 and later) only allows a refresh. */
  mayAlter: boolean
  /** Whether we may take the owner's role (`set role`). */
  mayActAsOwner: boolean
  /**
   * The seal under which the rows are read; null if we may not act as the owner, or the owner lacks usage or create on the
   * view's schema.
   */
  counting: Seal | null
  /** Whether we may make schemas in the database. */
  mayMakeSchemas: boolean
  uniqueIndexes: UniqueIndex[]
  /** The columns of some unique index, as SQL writes them: a guess, good for advice only; null if there is none. */
  keyCandidate: string | null
  /** Whether a relation has the name of a log of the view's changes: see `src/slices`. */
  logs: boolean
}

interface UniqueIndex {
  /** As SQL writes it. */
  name: string
  /** Its columns, as SQL writes them. */
  columns: string
  /** Why `refresh … concurrently` cannot use the index (`is partial`, …); null if it can. */
  unusableBecause: string | null
}

/** The beginning of the reason for a regular refresh that would be concurrent if the view had a unique index. */
export const noUsableIndex = 'there is no usable unique index'

/** A reader by the columns of the catalog alone, which can be read whatever others have locked. See `Reader`. */
export interface OutlinedReader {
  oid: number
  live: { view: Pick<LiveView['view'], 'kind' | 'schema' | 'name'> }
  /** Always true for a plain view. */
  populated: boolean
  /** The size on disk with indexes and TOAST, by the last `vacuum` or `analyze`; 0 for a plain view. */
  sizeBytes: number
  /** The OIDs of relations that the query reads directly; only those that were asked for, and other readers. */
  reads: number[]
}

/** A view, plain or materialized, that reads one of the relations asked for, directly or through other views. */
export interface Reader extends OutlinedReader, Pick<ViewSnapshot, 'hash' | 'hashWithoutGrants'> {
  live: LiveView
}

/** Sorts readers: each comes after those that it reads. A circle is cut at an arbitrary reader. */
export const parentsFirst = <R extends OutlinedReader>(
  readers: R[],
  readsOf: (reader: R) => number[] = ({ reads }) => reads,
): R[] => inOrder(readers, ({ oid }) => oid, readsOf)
