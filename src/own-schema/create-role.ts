import { obstaclesIn, type ViewRights } from '../catalog/plan/abilities.ts'
import { intruders, refuseIntruders, trustOfAdministrator } from '../catalog/plan/intruders.ts'
import { type Fix, fixesOf, type Obstacle } from '../catalog/plan/rights.ts'
import type { Sql } from '../server/database.ts'
import { examine, type Findings, type Swaps } from '../watch/doctor.ts'
import { unquoted } from '../words/names.ts'
import { docsOf, Problem } from '../words/problem.ts'
import { namesIn, readSchemaSteps } from './apply.ts'
import { applySchema, settingUp } from './db/apply-steps.ts'
import { giveOwnViews, grantMaintain, handOver, readViewsOf } from './db/hand-over.ts'
import {
  AdministratorWork,
  hasIam,
  isLetInByIam,
  isOurLogin,
  joinOwners,
  type Login,
  makeRoles,
  ownerRole,
  roleExists,
  viewsRole,
} from './db/role.ts'

/** What to do with the administrator's own views, of whose owner nobody can become a member. */
export type OwnViewsWay = 'give' | 'maintain'

export interface RoleRequest extends Login {
  /** The owners of the views to work on, also of views to come. Null: every owner of a view that exists. */
  owners: string[] | null
  /** Null: leaves the administrator's own views alone. */
  ownViews: OwnViewsWay | null
  /** The roles that may administer ours, and from which the schema is taken over. Default: only the administrator. */
  trusted?: string[] | undefined
  /** Whether the administrator can go on if RDS takes only tokens of IAM from it. */
  acceptsTokensOnly?: boolean | undefined
}

/** What was done, and what this administrator could not do. */
export interface RoleMade {
  /** The statements that changed something. */
  done: string[]
  findings: Findings
  /** The roles of which ours became members, and so have all their rights. */
  joined: string[]
  /** What is still missing; `findings` names the obstacles. */
  missing: Fix[]
  /** Whether RDS may take only tokens of IAM from this administrator, too. */
  makerHasIam: boolean
}

/**
 * Makes the roles of Viewkeeper, or brings them up to date, and grants what the login needs to work on the views of
 * `owners`, as far as this administrator may grant it, but nothing on what belongs to neither the grantee nor ourselves. It hands over what the steps in `folder` made as another role before.
 * What is done, is done in a few transactions, each whole or not at all, the schema first if views are given away, whose owner it records; nothing is done while others have a hand in the schema
 * or the roles (MigrationFailed), nor if the administrator would be locked out (InvalidRequest). Safe to repeat.
 */
export async function createRole(sql: Sql, folder: URL, request: RoleRequest): Promise<RoleMade> {
  const me = await readCurrentUser(sql)
  const steps = await readSchemaSteps(folder)
  const names = namesIn(steps)
  const { login, trusted = [] } = request
  const { work: made, owners } = await settingUp(sql, async (transaction) => {
    const [row] = await transaction.unsafe<[{ found: Obstacle[] }]>(
      `select ${intruders(trustOfAdministrator(trusted, login, names))} as found`,
    )
    refuseIntruders(row.found)
    await insistOnPassword(transaction, request)
    await insistOnWayBack(transaction, request, me)
    const work = await AdministratorWork.in(transaction)
    await makeRoles(transaction, work, request)
    const owners = await joinOwners(transaction, work, request.owners ?? [])
    await handOver(transaction, work, { from: [me, ...trusted], names })
    if (request.ownViews === 'maintain') await grantMaintain(transaction, work, me)
    return { work, owners }
  })
  if (request.ownViews === 'give') {
    if (!(await hasRecord(sql)) && (await readViewsOf(sql, me)).length > 0) await applySchema(sql, steps)
    const { done, refused } = await settingUp(sql, async (transaction) => {
      const work = await AdministratorWork.in(transaction)
      await handOver(transaction, work, { from: [me, ...trusted], names })
      await giveOwnViews(transaction, work, me)
      return work
    })
    made.done.push(...done)
    made.refused.push(...refused)
  }
  const isOurs = isOwnedBy(request.owners)
  const swaps: Swaps = new Map()
  const granted = await settingUp(sql, async (transaction) => {
    const work = await AdministratorWork.in(transaction)
    const found = await examine(transaction, request.login, isOurs, swaps)
    const fixes = found.missing.filter((fix) =>
      fix.membership === undefined
        ? isOfGrantee(fix) || (request.ownViews === 'give' && isOfGiver(fix, work.own))
        : mayJoin(fix.membership, me, request),
    )
    // Role viewkeeper has the rights of the owners by now, so it can also grant what belongs to them.
    await work.actingAs(ownerRole, async () => {
      for (const fix of fixes) {
        const sql = fix.sql.replace(/;$/, '')
        if (await work.try([sql])) work.done.push(sql)
      }
    })
    return { done: work.done, fixes, found }
  })
  const findings =
    granted.fixes.length === 0 ? granted.found : await examine(sql, request.login, isOurs, swaps)
  const waived = findings.views.map((view) =>
    request.ownViews === 'maintain' && unquoted(view.owner) === me ? onlyRefreshed(view) : view,
  )
  const missing = [...made.refused, ...fixesOf(obstaclesIn(waived))]
  const lacking = new Set(missing.map((fix) => fix.membership))
  const memberships = [...owners, ...granted.fixes.flatMap(({ membership }) => membership ?? [])]
  return {
    // A grant that the server took, but that changed nothing, is still missing.
    done: [...made.done, ...granted.done.filter((sql) => !missing.some((fix) => fix.sql === `${sql};`))],
    findings,
    joined: [...new Set(memberships)].filter((role) => !lacking.has(role)),
    makerHasIam: await hasIam(sql),
    missing: [...new Map(missing.map((fix) => [fix.sql, fix])).values()],
  }
}

const hasRecord = async (sql: Sql): Promise<boolean> =>
  (
    await sql`
      select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
       where n.nspname = 'viewkeeper' and c.relname = 'definitions'`
  ).length > 0

/** Refuses to keep the password of a login that is none of ours: whoever made it may know the password. */
async function insistOnPassword(sql: Sql, { login, password, iam }: RoleRequest): Promise<void> {
  if (password !== null || iam || (await isOurLogin(sql, login)) !== false) return
  throw new Problem(
    'InvalidRequest',
    `Role ${login} exists, and is not Viewkeeper's: somebody may know its password, and would have all rights of the owners of ` +
      'views. Nothing was changed. Type --rotate to give it a new password, or name another role in --login.',
    { field: '--login' },
  )
}

/** Refuses to make the administrator, who may know nothing but a password, a member of those that RDS lets in with tokens alone. */
async function insistOnWayBack(sql: Sql, { iam, acceptsTokensOnly }: RoleRequest, me: string): Promise<void> {
  if (!iam || acceptsTokensOnly) return
  const [row] = await sql<[{ joins: boolean }]>`
    select current_setting('server_version_num')::integer >= 160000 and current_setting('is_superuser') = 'off' as joins`
  if (!row.joins || (await hasIam(sql))) return
  throw new Problem(
    'InvalidRequest',
    `From PostgreSQL 16 on, whoever makes a role becomes a member of it, so ${me} would become a member of rds_iam, and RDS would ` +
      `refuse the password of ${me}. Nothing was changed. Keep a password in a secret instead (npx viewkeeper create-role ` +
      `--create-secret viewkeeper/production; in an app, without iamAuthentication). Or make the role with npx viewkeeper create-role ` +
      `--iam --accept-tokens-only, if ${me} can log in with a token (${docsOf('iam.md#to-log-in-yourself')}), and name it to the app as loginUser.`,
    { field: '--iam' },
  )
}

/** Never makes anybody a member of ourselves unless asked. */
const mayJoin = (role: string, me: string, { owners }: RoleRequest): boolean =>
  unquoted(role) !== me || (owners?.includes(me) ?? false)

// Anybody can make a view of a table of others, so what a view lacks is no reason to grant it: only the owner of the table decides.

const grant = /^grant (usage|create|select|insert|delete|temporary) on /

/** Whether a fix gives a role a right on what is its own. */
const isOfGrantee = ({ sql, by }: Fix): boolean =>
  grant.test(sql) && by.length === 1 && sql.endsWith(` to ${by[0]};`)

/** Whether a fix gives the new owner of the administrator's views a right on what belongs to the administrator. */
const isOfGiver = ({ sql, by }: Fix, own: string[]): boolean =>
  grant.test(sql) && sql.endsWith(` to ${viewsRole};`) && by.every((role) => own.includes(role))

const isOwnedBy =
  (owners: string[] | null) =>
  ({ owner }: { owner: string }) =>
    owners?.includes(unquoted(owner)) ?? true

const onlyRefreshed = (view: ViewRights): ViewRights => ({ ...view, swap: [], migrate: [] })

async function readCurrentUser(sql: Sql): Promise<string> {
  const [row] = await sql<[{ me: string }]>`select current_user::text as me`
  return row.me
}

/** What decides how an administrator can have a role made. */
export interface Situation {
  /** The administrator. */
  me: string
  /** The views that belong to the administrator. */
  ownViews: string[]
  major: number
  loginExists: boolean
  /** Whether the login is one that RDS lets in with a token of IAM, and with nothing else. */
  loginHasIam: boolean
}

/** Looks at what is there before a role is made. */
export async function readSituation(sql: Sql, login: string): Promise<Situation> {
  const me = await readCurrentUser(sql)
  const [{ major }] = await sql<[{ major: number }]>`
    select current_setting('server_version_num')::integer / 10000 as major`
  const ownViews = (await readViewsOf(sql, me)).map(({ view }) => view)
  const loginExists = await roleExists(sql, login)
  return { me, ownViews, major, loginExists, loginHasIam: await isLetInByIam(sql, login) }
}
