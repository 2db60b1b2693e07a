import { everyHidden, hidden, printed } from './names.ts'

/**
 * A text with names of others as people read it on a page, in a mail, a chat, a log and a terminal: on one line, and without what moves a
 * cursor or turns the direction of writing. Quoted names are `printed`.
 */
export const forPeople = (text: string): string =>
  printed(text).replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]+/gu, ' ')

/** A replacer of `JSON.stringify`: what does not show, or turns the direction of writing, is written as an escape of JSON. */
export const visibly = (_: string, value: unknown): unknown =>
  typeof value === 'string' && hidden.test(value)
    ? rawJSON(JSON.stringify(value).replace(everyHidden, (character) => character.replace(/./gs, asUnit)))
    : value

const { rawJSON } = JSON as unknown as { rawJSON(json: string): unknown }
const asUnit = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
