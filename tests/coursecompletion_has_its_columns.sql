-- One row per place in the wide table whose column is not the one that the seeds ask for, by name and type.
{{ config(tags=['proof']) }}
{%- set wide = ref('coursecompletion') %}
{%- set columns = adapter.get_columns_in_relation(wide) if execute else [] %}
{#- Spark's names of types #}
{%- set spelled = {'string': 'varchar', 'int': 'integer'} %}

with

courses as (
    select
        course,
        row_number() over (order by {{ whole_number('position') }}) as place
    from {{ ref('courses') }}
    where program = '{{ var("program") }}'
),

expected as (
    select
        first_columns.column_name,
        first_columns.data_type,
        first_columns.place
    from (
        values
        ('student_id', 'bigint', 1),
        ('username', 'varchar', 2),
        ('email', 'varchar', 3),
        ('name', 'varchar', 4)
    ) as first_columns (column_name, data_type, place)
    union all
    select
        course || '_enrollment_track' as column_name,
        'varchar' as data_type,
        3 + 2 * place as place
    from courses
    union all
    select
        course || '_passed' as column_name,
        'varchar' as data_type,
        4 + 2 * place as place
    from courses
    union all
    select
        last_columns.column_name,
        last_columns.data_type,
        4 + 2 * (select count(*) from courses) + last_columns.place as place
    from (
        values
        ('no_certificate_eligible', 'integer', 1),
        ('no_audited_passed', 'integer', 2),
        ('country', 'varchar', 3)
    ) as last_columns (column_name, data_type, place)
),

found as (
    {%- for column in columns %}
    select
        '{{ column.name }}' as column_name,
        '{{ spelled.get(column.dtype | lower, column.dtype | lower) }}' as data_type,
        {{ loop.index }} as place
    union all
    {%- endfor %}
    select
        '' as column_name,
        '' as data_type,
        0 as place
    where false
)

select
    coalesce(expected.place, found.place) as place,
    expected.column_name as expected_column,
    expected.data_type as expected_type,
    found.column_name as found_column,
    found.data_type as found_type
from expected
full outer join found on expected.place = found.place
where
    expected.column_name is distinct from found.column_name
    or expected.data_type is distinct from found.data_type
