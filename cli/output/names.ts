import { harmless } from './width.ts'

/** A view's name as people type it: schema `public` is left out. */
export const short = (view: string): string => harmless(view.replace(/^public\./, ''))

/** A message without the view at its beginning, for a line that names the view already. */
export const withoutView = (message: string, view: string): string =>
  message.startsWith(`${view}: `) ? message.slice(view.length + 2) : message
