import { pathToFileURL } from 'node:url'

const here = pathToFileURL(`${process.cwd()}/`)

/** The folders that the command line reads and writes, inside the current folder. */
export const folders = { views: new URL('views/', here), migrations: new URL('migrations/', here) }

/** The schema steps of schema `viewkeeper`. */
export const schemaFolder = new URL('../../schema/', import.meta.url)
