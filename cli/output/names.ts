import { harmless } from './width.ts'

/** A view's name for people to read: schema `public` is left out. */
export const short = (view: string): string => harmless(view.replace(/^public\./, ''))

/**
 * A view's name in a command for people to type: with its schema, because the API looks for a name without one along the
 * search path of Viewkeeper's role.
 */
export const typed = (view: string): string => harmless(view)

/** A message without the view at its beginning, for a line that names the view already. */
export const withoutView = (message: string, view: string): string =>
  message.startsWith(`${view}: `) ? message.slice(view.length + 2) : message
