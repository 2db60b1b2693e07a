import { literal } from './names.ts'

/**
 * An expression: who lacks a right, and where its SQL is. The server's message names only the object. `role` is written as in
 * SQL; null: the login.
 */
export const lackedBy = (role: string | null): string =>
  `format('Role %s lacks this right. \`npx viewkeeper doctor\` lists what a role lacks on views, with the SQL, and \`npx viewkeeper create-role\` gives a login all that it needs.', ${role === null ? 'quote_ident(session_user)' : literal(role)})`
