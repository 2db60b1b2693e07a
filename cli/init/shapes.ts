import { readFileSync } from 'node:fs'
import { shapesFolder } from '../../src/package-files.ts'

const image = ['Dockerfile', '.dockerignore']

const files = {
  systemd: ['viewkeeper.service'],
  compose: [...image, 'compose.yaml', 'login.sql'],
  kubernetes: [...image, 'kubernetes.yaml'],
}

/** Where `viewkeeper serve` can run by files that the package has. */
export const shapes = Object.keys(files) as Shape[]
export type Shape = keyof typeof files

/** The texts of the files of a shape, by their paths. */
export const readShape = (shape: Shape): Record<string, string> =>
  Object.fromEntries(files[shape].map((file) => [file, readFileSync(new URL(file, shapesFolder), 'utf8')]))
