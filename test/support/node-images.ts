/** An image as the nodes of the cluster have it, or pull it from where LOOMS_TEST_IMAGES says (`HOST/FOLDER/`). */
export const onNodes = (image: string): string => `${process.env.LOOMS_TEST_IMAGES ?? ''}${image}`;
