import type { LiveView, ViewFacts } from '../../../src/catalog/plan/live-view.ts'

/** A view with nothing special, to plan on. */
export const viewFacts = (changes: Partial<ViewFacts> = {}): ViewFacts => ({
  oid: 4711,
  shadowKey: '4711',
  schema: 'app',
  name: 'Sales',
  view: 'app."Sales"',
  owner: 'boss',
  populated: true,
  firstColumn: 'id',
  query: null,
  mayAlter: true,
  mayActAsOwner: true,
  counting: { role: 'boss', schema: 'app' },
  mayMakeSchemas: true,
  uniqueIndexes: [],
  keyCandidate: null,
  logs: false,
  ...changes,
})

/** The same view as a live view that nothing hangs on. */
export const liveView = ({
  view,
  ...changes
}: Partial<Omit<LiveView, 'view'>> & { view?: Partial<LiveView['view']> } = {}): LiveView => ({
  columns: [],
  indexes: [],
  statistics: [],
  triggers: [],
  rules: [],
  grants: [],
  untouchedGrants: true,
  defaultGrants: [],
  dependents: [],
  ...changes,
  view: {
    kind: 'materialized view',
    schema: 'app',
    name: 'Sales',
    owner: 'boss',
    accessMethod: 'heap',
    tablespace: null,
    options: [],
    toastOptions: [],
    replicaIdentity: 'default',
    definition: ' SELECT 1 AS id',
    path: 'pg_catalog, pg_temp',
    comment: null,
    extensions: [],
    memberOf: null,
    hasSecurityLabel: false,
    isTemporary: false,
    ...view,
  },
})
