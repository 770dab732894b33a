/** Which random changes training images get. Here, below networks and data sets, because both may ask for some. */
import { UsageError } from '../util/errors.js';

/** Random changes of training images; they never depend on the other images of a batch. */
export interface Augmentation {
  /** Images are padded by this many pixels on each side and cropped back at a random place; 0 is none. */
  readonly cropPadding: number;
  /** Mirror an image left to right with probability 1/2. */
  readonly flip: boolean;
  /** Add an integer drawn from -brightness .. brightness to every byte, 0 .. 255. @default 0 */
  readonly brightness?: number;
  /** Multiply distances from a channel's mean by a factor drawn from 1 - contrast .. 1 + contrast, 0 .. 1. @default 0 */
  readonly contrast?: number;
  /**
   * Cut out a rectangle with at least this share of the image's area, 0 .. 1, its sides' ratio 3/4 .. 4/3 times the image's, and
   * bring it back to the image's size. Images are kept at the size that the network takes, so that a cut enlarges pixels
   * rather than finding finer ones. @default 0: none
   */
  readonly resizedCrop?: number;
}

export const noAugmentation: Augmentation = { cropPadding: 0, flip: false };

/** Whether pixels get other values, and not only other places. */
export function changesContent({ brightness = 0, contrast = 0, resizedCrop = 0 }: Augmentation): boolean {
  return brightness > 0 || contrast > 0 || resizedCrop > 0;
}

/** Throws a UsageError that names what is out of range. */
export function checkAugmentation(augmentation: Augmentation): void {
  const { cropPadding, brightness = 0, contrast = 0, resizedCrop = 0 } = augmentation;
  if (!(Number.isInteger(cropPadding) && cropPadding >= 0))
    throw new UsageError(`crop padding must be an integer of at least 0, not ${cropPadding}`);
  if (!(Number.isInteger(brightness) && brightness >= 0 && brightness <= 255))
    throw new UsageError(`brightness must be an integer in 0..255, not ${brightness}`);
  if (!(contrast >= 0 && contrast <= 1)) throw new UsageError(`contrast must be a number in 0..1, not ${contrast}`);
  if (!(resizedCrop >= 0 && resizedCrop <= 1))
    throw new UsageError(`the share of a resized crop must be a number in 0..1, not ${resizedCrop}`);
}
