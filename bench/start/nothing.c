/* The smallest program: what `int main(){return 0;}` costs from start to exit. */
int main(void)
{
    return 0;
}
