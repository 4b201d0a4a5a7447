-- One row per place in the wide table whose column is not the one that the seeds ask for, by name and type.
{%- set wide = ref('coursecompletion') %}

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
        ('student_id', 'BIGINT', 1),
        ('username', 'VARCHAR', 2),
        ('email', 'VARCHAR', 3),
        ('name', 'VARCHAR', 4)
    ) as first_columns (column_name, data_type, place)
    union all
    select
        course || '_enrollment_track' as column_name,
        'VARCHAR' as data_type,
        3 + 2 * place as place
    from courses
    union all
    select
        course || '_passed' as column_name,
        'VARCHAR' as data_type,
        4 + 2 * place as place
    from courses
    union all
    select
        last_columns.column_name,
        last_columns.data_type,
        4 + 2 * (select count(*) from courses) + last_columns.place as place
    from (
        values
        ('no_certificate_eligible', 'INTEGER', 1),
        ('no_audited_passed', 'INTEGER', 2),
        ('country', 'VARCHAR', 3)
    ) as last_columns (column_name, data_type, place)
),

found as (
    select
        column_name,
        data_type,
        ordinal_position as place
    from information_schema.columns
    where
        table_catalog = '{{ wide.database }}'
        and table_schema = '{{ wide.schema }}'
        and table_name = '{{ wide.identifier }}'
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
