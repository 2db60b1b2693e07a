/**
 * All that hangs on a view, as one document of the catalog. Every name that the server deparsed is qualified (the
 * document is read with an empty search path); the same document, hashed, tells later whether anything has changed.
 */
export interface LiveView {
  view: {
    schema: string
    name: string
    owner: string
    accessMethod: string
    tablespace: string | null
    /** `name=value` each, as in pg_class. */
    options: string[]
    toastOptions: string[]
    replicaIdentity: 'default' | 'full' | 'nothing' | 'index'
    /** The query, without a semicolon. */
    definition: string
    comment: string | null
    /** Extensions that the view `depends on`. */
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
    /** Only where it differs from the type's own. */
    storage: string | null
    compression: string | null
    comment: string | null
  }[]
  indexes: {
    name: string
    unique: boolean
    /** What `create [unique] index name on view` is followed by: `using btree (a) where …`. */
    rest: string
    /** Whether `rest` holds expressions or a condition, which somebody wrote and the server has to parse. */
    hasExpressions: boolean
    tablespace: string | null
    clustered: boolean
    comment: string | null
    statistics: { column: number; target: number }[]
    extensions: string[]
  }[]
  statistics: {
    schema: string
    name: string
    owner: string
    /** What stands between `create statistics name` and `from view`: `(ndistinct) on a, b`. */
    middle: string
    hasExpressions: boolean
    target: number | null
    comment: string | null
  }[]
  /** In effect, whether written down in the catalog or by default. */
  grants: Grant[]
  /** True where `relacl` is null: nobody has ever granted or revoked anything. */
  untouchedGrants: boolean
  /** What the owner's default privileges give on a relation that the owner makes in this schema. */
  defaultGrants: Grant[]
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

/** An object that depends on the view. `view` is there where it is a plain view that can be pointed to another one. */
interface Dependent {
  description: string
  view: null | {
    oid: number
    schema: string
    name: string
    owner: string
    options: string[]
    definition: string
  }
}

/** What we may do about it: not part of what is compared. Roles as in LiveView. */
export interface SwapRights {
  /** Roles in whose place we may act (`set role`), of all that the facts name. */
  mayActAs: string[]
  /** What a role that we would act as may not do in a schema where it would have to. */
  lacks: { role: string; privilege: 'usage' | 'create'; schema: string }[]
  /** Those in whose place something is parsed sealed, and who may not use PL/pgSQL, which that takes. */
  mayNotSeal: string[]
  /** Whether we have the rights of the view's owner without `set role`: it takes them to hand statistics over. */
  inheritsOwner: boolean
}

/** A live view as it was read at one moment. */
export interface ViewSnapshot {
  live: LiveView
  rights: SwapRights
  /** Of the live view, as `liveViewHashQuery` gives it as long as it is unchanged. */
  hash: string
}
